// The state of the controls: what a value may be, and how a link writes it. All of it by the page's table.

/** @import { Control, Data } from "./unpack.js" */
/**
 * @typedef {{
 *   photo: number, kind: "cam" | "contrast" | "focus", target: number, against: "rivals" | "others" | number,
 *   keep: number | null, off: number[], regions: boolean, segments: number,
 *   statistic: "mean" | "max" | "median", choose: "threshold" | "top", threshold: number, top: number,
 *   view: "heat" | "outline" | "cutout", colours: string, opacity: number, sign: "signed" | "positive",
 *   cells: boolean,
 * }} State
 */

export const NEEDS_ALL_MAPS =
  "Focus needs all feature maps: of its second look the page carries finished maps only."

/**
 * Whether a control takes a value.
 * @param {Control} control
 * @param {any} value
 * @returns {boolean}
 */
export function takes(control, value) {
  if (control.several) {
    return Array.isArray(value) && value.every(one => takes({ ...control, several: false }, one))
  }
  if (value === null) return control.optional
  if (control.choices) return control.choices.some(([choice]) => choice === value)
  if (typeof value !== "number" || (control.whole && !Number.isInteger(value))) return false
  return value >= Number(control.low) && value <= Number(control.high)
}

/**
 * A value as a link writes it.
 * @param {any} value
 */
export const written = value => (typeof value === "boolean" ? String(Number(value)) : String(value))

/**
 * The value that a link's text means to a control; undefined where it means none.
 * @param {Control} control
 * @param {string} text
 * @returns {any}
 */
export function read(control, text) {
  if (control.several) {
    const each = text.split(",").map(one => read({ ...control, several: false }, one))
    return each.includes(undefined) ? undefined : each
  }
  if (control.choices) return control.choices.find(([choice]) => written(choice) === text)?.[0]
  return text.trim() && takes(control, Number(text)) ? Number(text) : undefined
}

/**
 * What a photograph starts with: its first answer, and the table's defaults.
 * @param {Data} data
 * @param {number} photo
 * @returns {State}
 */
export function startOf(data, photo) {
  const { scores } = data.photos[photo]
  const target = data.classes[scores.indexOf(Math.max(...scores))].index
  const defaults = [...data.controls].map(([name, { several, default: value }]) => [
    name,
    several ? [...value] : value,
  ])
  return { ...Object.fromEntries(defaults), photo, target }
}

/**
 * Why the map of this kind can't be computed in this state; "" where it can.
 * @param {Data} data
 * @param {Pick<State, "photo" | "keep" | "off">} state
 * @param {string} kind
 */
export function hindrance(data, { photo, keep, off }, kind) {
  if (data.kinds[kind].looks < 2) return ""
  if (!data.photos[photo].second) {
    return "Focus needs a second look at the photograph, with a larger input, which this page doesn't carry."
  }
  return keep !== null || off.length ? NEEDS_ALL_MAPS : ""
}

/**
 * The state with some settings changed; an error where the controls have no such state.
 * @param {Data} data
 * @param {State} state
 * @param {Partial<State>} settings
 * @returns {State}
 */
export function changed(data, state, settings) {
  for (const [name, value] of Object.entries(settings)) {
    const control = data.controls.get(name)
    if (!control)
      throw new Error(`No control is called ${name}; there are ${[...data.controls.keys()].join(", ")}.`)
    if (!takes(control, value)) throw new Error(`${name} can't be ${JSON.stringify(value)}.`)
  }
  const next = { ...state, ...settings }
  next.off = [...new Set(next.off)].sort((i, j) => i - j)
  if (next.against === next.target) throw new Error("A class can't be set against itself.")
  const why = hindrance(data, next, next.kind)
  if (why) throw new Error(why)
  return next
}

/**
 * The state that a link asks for, and what it asks for in vain: there the start stays.
 * @param {Data} data
 * @param {string} query
 * @returns {{ state: State, refused: string[] }}
 */
export function readLink(data, query) {
  const given = [...new URLSearchParams(query)]
  /** @type {string[]} */
  const refused = []
  /** @type {[string, any][]} */
  const settings = []
  for (const [name, text] of given) {
    const control = data.controls.get(name)
    const value = control && read(control, text)
    if (value === undefined) refused.push(`${name}=${text}`)
    else settings.push([name, value])
  }
  const order = [...data.controls.keys()] // photograph before class before rival, however the link has them
  settings.sort(([a], [b]) => order.indexOf(a) - order.indexOf(b))
  let state = startOf(data, settings.findLast(([name]) => name === "photo")?.[1] ?? 0)
  for (const [name, value] of settings) {
    try {
      state = changed(data, state, { [name]: value })
    } catch {
      refused.push(`${name}=${written(value)}`)
    }
  }
  return { state, refused }
}

/**
 * The state as a link writes it: photograph and class, and what differs from the start.
 * @param {Data} data
 * @param {State} state
 */
export function writeLink(data, state) {
  const kept = new URLSearchParams()
  for (const [name, value] of Object.entries(state)) {
    const control = /** @type {Control} */ (data.controls.get(name))
    const always = name === "photo" || name === "target"
    if (always || written(value) !== written(control.default)) kept.set(name, written(value))
  }
  return kept.toString().replaceAll("%2C", ",")
}
