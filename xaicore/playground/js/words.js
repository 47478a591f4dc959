// What the page says: numbers, titles, sentences. Pure: a view of the playground in, text out.

import { hindrance } from "./state.js"

/** @import { Data, Photo } from "./unpack.js" */
/** @import { State } from "./state.js" */
/** @import { Result } from "./compute.js" */
/**
 * What there is to tell of; `at` is the cell or superpixel that is pointed at.
 * @typedef {{ data: Data, photo: Photo, state: State, result: Result, at: number | null }} View
 */

/**
 * @param {number} value
 * @param {number} digits
 */
export function number(value, digits = 2) {
  const text = value.toFixed(digits)
  return Number(text) === 0 ? (0).toFixed(digits) : text.replace("-", "−")
}

/** @param {number} share */
export function percent(share) {
  const value = 100 * share
  if (value > 0 && value < 0.1) return "below 0.1%"
  if (value < 100 && value > 99.9) return "above 99.9%"
  return `${value.toFixed(1).replace("-", "−")}%`
}

/** @param {number} value */
export const counted = value => new Intl.NumberFormat("en-GB").format(value)

/**
 * The words that a page has for a control's present value.
 * @param {Data} data
 * @param {string} name
 * @param {any} value
 */
export function wordFor(data, name, value) {
  return data.controls.get(name)?.choices?.find(([choice]) => choice === value)?.[1] ?? String(value)
}

/**
 * @param {Data} data
 * @param {State} state
 */
export function className(data, state) {
  return data.about(state.target).name
}

/**
 * What the class is set against, as a name; "" for a map of one class alone.
 * @param {Data} data
 * @param {State} state
 */
export function rivalName(data, { kind, against }) {
  if (!data.kinds[kind].rivals) return ""
  return typeof against === "number" ? data.about(against).name : wordFor(data, "against", against)
}

/**
 * What the map is: "SeCAM: bull mastiff, not tabby". The same words as a heat map's title in Python.
 * @param {Data} data
 * @param {State} state
 */
export function title(data, state) {
  const { title, averaged } = data.kinds[state.kind]
  const rival = rivalName(data, state)
  const byRegions = state.statistic === "mean" ? averaged : `${title} by regions (${state.statistic})`
  return `${state.regions ? byRegions : title}: ${className(data, state)}${rival && `, not ${rival}`}`
}

/**
 * mean + bias = score, each with its name; rounded so that the line also agrees digit for digit.
 * @param {View} view
 */
export function sumLine({ data, state, result }) {
  const bias = Number(result.bias.toFixed(3))
  const score = Number(result.score.toFixed(3))
  const agrees = Math.abs(result.mean + result.bias - result.score) < 1e-6
  const difference = data.kinds[state.kind].rivals
  return {
    mean: number(agrees ? score - bias : result.mean, 3),
    plus: bias < 0 ? "−" : "+",
    bias: number(Math.abs(bias), 3),
    score: number(score, 3),
    meanName: difference ? "mean of the contrast" : "mean of the map",
    biasName: difference ? "difference of the biases" : "bias",
    scoreName: difference ? "difference of the scores" : "score",
  }
}

/** @param {View} view */
export function probabilityLine({ data, photo, state, result }) {
  const on = result.complete ? "" : `, with ${counted(result.active)} of ${counted(photo.K)} feature maps`
  const among = result.complete
    ? `among all ${counted(data.total)} classes`
    : `among the ${data.classes.length} offered classes`
  const name = className(data, state)
  if (!data.kinds[state.kind].rivals) return `Probability ${percent(result.probability)} ${among}${on}.`
  if (result.rivalProbability === null) {
    return `Probability of ${name} ${percent(result.probability)} ${among}${on}.`
  }
  const both = `${name} ${percent(result.probability)}, ${rivalName(data, state)} ${percent(result.rivalProbability)}`
  const told = `${both} ${among}${on}`
  if (!result.addsUp) return `${told}.`
  const times = Math.exp(result.score).toPrecision(3)
  return `${told}: ${name} is e^${number(result.score)} = ${times} times as probable.`
}

/**
 * What storing 8 bits costs, bounded in Python, and here compared with the network's own score.
 * @param {View} view
 */
export function exactnessLine({ data, state, result }) {
  const { bound, scoreBound, secondBound } = result
  if (!result.addsUp) {
    return (
      `Storing rounded numbers changes the first look's contrast by at most ${bound.toPrecision(2)}, ` +
      `the second's by at most ${secondBound.toPrecision(2)}.`
    )
  }
  const what = data.kinds[state.kind].rivals ? "difference" : "score"
  const atMost = `8-bit error of this ${what}: at most ${scoreBound.toPrecision(2)}`
  if (!result.complete) return `${atMost}.`
  return `${atMost}, in fact ${Math.abs(result.score - result.exact).toPrecision(2)}.`
}

/**
 * What stands under the colour bar.
 * @param {View} view
 */
export function unitLine({ data, state, result }) {
  const { title, unit } = data.kinds[state.kind]
  const what = `${result.addsUp ? "evidence" : title}, in ${unit}`
  if (state.sign !== "positive") return what
  const { values } = result.cells
  const against = values.filter(value => value < 0).length
  return `${what}. Hidden: ${against} of ${values.length} cells speak against it`
}

/**
 * The three numbers at the colour bar.
 * @param {View} view
 */
export function tickLabels({ state, result: { limit } }) {
  const low = state.sign === "positive" ? 0 : -limit
  return [low, (low + limit) / 2, limit].map(value => number(value, limit < 10 ? 1 : 0))
}

/**
 * Whether what a superpixel holds is a part of the score: its value times its area.
 * @param {View} view
 */
export function holdsParts({ state, result }) {
  return result.addsUp && state.statistic === "mean"
}

/** @param {View} view */
export function regionsLine(view) {
  const { regions } = view.result
  if (!regions) return ""
  const { chosen, area, evidence, cut } = regions
  const kept = `${percent(area)} of the picture${holdsParts(view) ? ` and ${percent(evidence)} of the positive evidence` : ""}`
  return `${counted(cut.n)} superpixels. Chosen: ${chosen.length}, which keep ${kept}.`
}

/**
 * Value and share of the place that is pointed at.
 * @param {View} view
 */
export function placeLine(view) {
  const { data, photo, state, result, at } = view
  if (at === null) return ""
  const adds = (/** @type {number} */ value, /** @type {number} */ part) => {
    const share = result.score > 0 ? `, ${percent((value * part) / result.score)} of it` : ""
    const whole = data.kinds[state.kind].rivals ? "difference" : "score"
    return `; adds ${number(value * part)} to the ${whole} of ${number(result.score)}${share}`
  }
  if (!result.regions) {
    const { values, w } = result.cells
    const cell = `Row ${Math.floor(at / w) + 1}, column ${(at % w) + 1}: ${number(values[at])}`
    return `${cell}${result.addsUp ? adds(values[at], 1 / values.length) : " in the middle"}.`
  }
  const { scores, cut, chosen } = result.regions
  const area = cut.area(at) / photo.grey.length
  const told = `Superpixel ${at} (${chosen.includes(at) ? "chosen" : "not chosen"}): ${number(scores[at])}`
  return `${told}, ${percent(area)} of the picture${holdsParts(view) ? adds(scores[at], area) : ""}.`
}

/** @param {View} view */
export function readoutLine(view) {
  const each = view.result.regions ? "superpixel" : "cell"
  return (
    placeLine(view) ||
    `Point at the picture, or go to it with Tab and use the arrow keys: each ${each} tells its value` +
      `${view.result.addsUp ? " and its share" : ""}.`
  )
}

/**
 * The whole in one sentence or two, for screen readers.
 * @param {View} view
 */
export function summary(view) {
  const { data, photo, state, result } = view
  const { values, w } = result.cells
  const best = values.indexOf(Math.max(...values))
  const score = data.kinds[state.kind].rivals ? "Difference of the scores" : "Score"
  return [
    `${title(data, state)}, on ${photo.name}.`,
    result.addsUp ? `${score} ${number(result.score)}.` : "It adds up to no score.",
    probabilityLine(view),
    `Strongest cell: row ${Math.floor(best / w) + 1}, column ${(best % w) + 1}.`,
    regionsLine(view),
    placeLine(view),
  ]
    .filter(Boolean)
    .join(" ")
}

/**
 * Why some kind of map can't be had now; "" where all can.
 * @param {Data} data
 * @param {State} state
 */
export function missingKinds(data, state) {
  const kinds = data.controls.get("kind")?.choices ?? []
  return [...new Set(kinds.map(([kind]) => hindrance(data, state, String(kind))))].filter(Boolean).join(" ")
}
