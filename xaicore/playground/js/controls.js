// The inputs, built from the page's table of controls, and brought to whatever state there is.

import { element } from "./dom.js"
import { hindrance, written } from "./state.js"
import { counted, number, percent } from "./words.js"

/** @import { Control, Data, Photo } from "./unpack.js" */
/** @import { State } from "./state.js" */
/** @import { Result } from "./compute.js" */
/** @typedef {(settings: Partial<State>) => void} Change */
/**
 * An input on the page: `show` brings it to the state.
 * @typedef {{ show: (state: State) => void }} Shown
 */

const LISTED = 12 // feature maps in the list, the strongest

/**
 * One radio button for each choice.
 * @param {HTMLElement} host
 * @param {string} id
 * @param {Control} control
 * @param {Change} change
 * @returns {Shown & { inputs: HTMLInputElement[] }}
 */
export function radios(host, id, control, change) {
  const inputs = (control.choices ?? []).map(([value]) => {
    const radio = element("input", { type: "radio", name: `${id}-${control.name}`, value: written(value) })
    radio.addEventListener("change", () => change({ [control.name]: value }))
    return radio
  })
  const labels = (control.choices ?? []).map(([, word], i) =>
    element("label", {}, inputs[i], element("span", {}, word)),
  )
  const group = element("fieldset", { class: "xp-switch", title: control.help, "data-part": control.name })
  group.append(element("legend", {}, control.label), element("div", {}, ...labels))
  host.replaceChildren(group)
  return {
    inputs,
    show(state) {
      for (const radio of inputs) radio.checked = radio.value === written(stateOf(state, control))
    },
  }
}

/**
 * A box for a control that is on or off.
 * @param {HTMLElement} host
 * @param {Control} control
 * @param {Change} change
 * @returns {Shown}
 */
export function checkbox(host, control, change) {
  const box = element("input", { type: "checkbox", "data-part": control.name })
  box.addEventListener("change", () => change({ [control.name]: box.checked }))
  host.replaceChildren(
    element("label", { class: "xp-check", title: control.help }, box, element("span", {}, control.label)),
  )
  return {
    show(state) {
      box.checked = Boolean(stateOf(state, control))
    },
  }
}

/**
 * A slider for a number, with its value in words.
 * @param {HTMLElement} host
 * @param {string} id
 * @param {Control} control
 * @param {Change} change
 * @returns {Shown}
 */
export function slider(host, id, control, change) {
  const { low, high, step } = control
  const input = rangeInput(host, `${id}-${control.name}`, control, Number(low), Number(high), Number(step))
  input.addEventListener("input", () => change({ [control.name]: Number(input.value) }))
  return {
    show(state) {
      const value = Number(stateOf(state, control))
      input.value = String(value)
      say(host, control.whole ? counted(value) : `${number(100 * value, 0)}%`)
    },
  }
}

/**
 * How many feature maps to keep: a slider over ever larger steps, whose end means all.
 * @param {HTMLElement} host
 * @param {string} id
 * @param {Control} control
 * @param {Change} change
 * @returns {Shown}
 */
export function keepSlider(host, id, control, change) {
  const numbers = stops(Number(control.low), Number(control.high))
  const all = numbers.length - 1
  const input = rangeInput(host, `${id}-${control.name}`, control, 0, all, 1)
  input.addEventListener("input", () => {
    const at = Number(input.value)
    change({ keep: at === all ? null : numbers[at] })
  })
  return {
    show({ keep }) {
      const kept = keep ?? numbers[all]
      const distance = numbers.map(n => Math.abs(n - kept))
      input.value = String(distance.indexOf(Math.min(...distance)))
      say(host, keep === null ? `all ${counted(numbers[all])}` : `the ${counted(keep)} strongest`)
    },
  }
}

/**
 * Round numbers from low to high, ever farther apart, and both ends.
 * @param {number} low
 * @param {number} high
 */
export function stops(low, high) {
  const numbers = new Set([low])
  for (let power = 1; power < high; power *= 10) {
    for (const n of [1, 1.5, 2, 3, 4, 5, 6, 8].map(one => one * power)) {
      if (n > low && n < high && Number.isInteger(n)) numbers.add(n)
    }
  }
  return [...numbers.add(high)]
}

/**
 * @param {HTMLElement} host
 * @param {string} id
 * @param {Control} control
 * @param {number} min
 * @param {number} max
 * @param {number} step
 */
function rangeInput(host, id, control, min, max, step) {
  const input = element("input", { type: "range", id, min, max, step, "data-part": control.name })
  const label = element("label", { for: id }, control.label)
  const range = element(
    "div",
    { class: "xp-range", title: control.help },
    label,
    element("output", { for: id }),
    input,
  )
  host.replaceChildren(range)
  return input
}

/**
 * @param {HTMLElement} host
 * @param {string} words
 */
function say(host, words) {
  const [output] = host.getElementsByTagName("output")
  output.textContent = words
  host.querySelector("input")?.setAttribute("aria-valuetext", words)
}

/**
 * @param {State} state
 * @param {Control} control
 * @returns {unknown}
 */
function stateOf(state, control) {
  return /** @type {Record<string, unknown>} */ (state)[control.name]
}

/**
 * The kinds that can't be computed in this state can't be chosen; missingKinds() says why.
 * @param {HTMLInputElement[]} inputs
 * @param {Data} data
 * @param {State} state
 */
export function allowKinds(inputs, data, state) {
  for (const radio of inputs) radio.disabled = Boolean(hindrance(data, state, radio.value))
}

/**
 * What a class can be set against: groups of classes, then each other class, best first.
 * @param {Data} data
 * @param {Photo} photo
 * @param {State} state
 */
export function rivalOptions(data, photo, state) {
  const groups = (data.controls.get("against")?.choices ?? []).filter(([value]) => typeof value === "string")
  return [
    ...groups.map(([value, name]) => ({ value, name, note: "" })),
    ...classOptions(data, photo).filter(option => option.value !== state.target),
  ]
}

/**
 * The offered classes, best first, with their probabilities.
 * @param {Data} data
 * @param {Photo} photo
 */
export function classOptions(data, { scores, rest }) {
  const all = rest ? [...scores, rest.score] : scores
  const most = Math.max(...all)
  const total = all.reduce((sum, score) => sum + Math.exp(score - most), 0)
  return data.classes
    .map(({ index, name }, i) => ({
      value: index,
      name,
      score: scores[i],
      note: percent(Math.exp(scores[i] - most) / total),
    }))
    .sort((a, b) => b.score - a.score)
}

/**
 * The strongest feature maps of this score, and those that are off, each with a box to switch it.
 * @param {HTMLElement} list
 * @param {State} state
 * @param {Result} result
 */
export function showMaps(list, state, { order, contributions, on, kept }) {
  const keeps = new Set(order.slice(0, kept))
  const strongest = order.slice(0, LISTED)
  const listed = [...strongest, ...state.off.filter(k => !strongest.includes(k))]
  const most = Math.abs(contributions[order[0]]) || 1
  const active = document.activeElement
  const focused = active instanceof HTMLInputElement && list.contains(active) ? active.value : null
  list.replaceChildren(
    ...listed.map(k => {
      const box = element("input", { type: "checkbox", value: k })
      box.checked = Boolean(on[k])
      box.disabled = !keeps.has(k)
      const c = contributions[k]
      const bar = element("i", { class: c < 0 ? "xp-less" : "xp-more" })
      bar.style.width = `${(100 * Math.abs(c)) / most}%`
      const told = [element("span", {}, `map ${k}`), element("b", {}, (c < 0 ? "" : "+") + number(c))]
      const track = element("span", { class: "xp-track", "aria-hidden": "true" }, bar)
      return element("li", {}, element("label", {}, box, ...told), track)
    }),
  )
  if (focused) {
    const again = list.querySelector(`[value="${focused}"]`)
    if (again instanceof HTMLElement) again.focus()
  }
}
