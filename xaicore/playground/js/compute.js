// From what the page carries, and the state, to every number that it shows. Pure.

import {
  agreement,
  classMap,
  difference,
  largest,
  select,
  shares,
  softmax,
  superpixelScores,
  upsample,
} from "./equations.js"

/** @import { Data, Photo, Second } from "./unpack.js" */
/** @import { State } from "./state.js" */
/** @typedef {ReturnType<typeof compute>} Result */

/**
 * The weights and the bias whose map this is, and how far 8 bits can make it and its score wrong.
 * @param {Data} data
 * @param {Photo} photo
 * @param {State} state
 */
function weighted(data, photo, state) {
  const { rest, scores, bound, score_bound } = photo
  const c = data.row(state.target)
  const biases = data.classes.map(one => one.bias)
  if (!data.kinds[state.kind].rivals) {
    return {
      w: data.weights[c],
      bias: biases[c],
      exact: scores[c],
      bound: bound[c],
      scoreBound: score_bound[c],
    }
  }
  const j = typeof state.against === "number" ? data.row(state.against) : state.against
  const against = shares(scores, rest?.score ?? null, c, j, data.strongest)
  // Σ q_j v_j over all that the class is set against; an error bound adds up the same way
  const mean = (/** @type {number[]} */ values, /** @type {number} */ ofRest) =>
    against.rest * ofRest + values.reduce((sum, value, i) => sum + against.q[i] * value, 0)
  return {
    w: difference(data.weights, c, against, rest?.w ?? null),
    bias: biases[c] - mean(biases, rest?.bias ?? 0),
    exact: scores[c] - mean(scores, rest?.mean ?? 0),
    bound: bound[c] + mean(bound, rest?.bound ?? 0),
    scoreBound: score_bound[c] + mean(score_bound, rest?.score_bound ?? 0),
  }
}

/**
 * The second look's contrast, in its own cells; it has rivals of its own.
 * @param {Second} second
 * @param {State} state
 * @param {number} strongest
 */
function secondContrast({ classes, scores, rest, maps, bound }, state, strongest) {
  const [c, against] = [state.target, state.against].map(one =>
    typeof one === "number" ? classes.indexOf(one) : one,
  )
  const known = scores.slice(0, classes.length)
  const found = shares(known, rest ? scores[classes.length] : null, Number(c), against, strongest)
  const sum = found.q.reduce((total, q, j) => total + q * bound[j], found.rest * (bound[classes.length] ?? 0))
  return {
    map: difference(maps, Number(c), found, rest ? maps[classes.length] : null),
    bound: bound[Number(c)] + sum,
  }
}

/**
 * Softmax of every offered class: among all classes, or, with feature maps off, among the offered ones.
 * @param {Data} data
 * @param {Photo} photo
 * @param {Uint8Array} on
 * @param {boolean} complete
 */
function probabilities(data, photo, on, complete) {
  const { K, F } = photo.features
  const scores = data.classes.map(({ bias }, i) => {
    let score = bias
    for (let k = 0; k < K; k++) if (on[k]) score += data.weights[i][k] * F[k]
    return score
  })
  return softmax(complete && photo.rest ? [...scores, photo.rest.score] : scores)
}

/**
 * Which feature maps are on, and all of them by |what they add|, the strongest first.
 * @param {Float64Array} contributions
 * @param {State} state
 */
function switches(contributions, { keep, off }) {
  const strength = contributions.map(Math.abs)
  const order = [...strength.keys()].sort((i, j) => strength[j] - strength[i])
  const kept = keep ?? order.length
  const on = new Uint8Array(order.length)
  for (const k of order.slice(0, kept)) on[k] = 1
  for (const k of off) on[k] = 0
  return { order, kept, on, active: on.reduce((sum, one) => sum + one, 0) }
}

/**
 * The averages over superpixels, and the chosen ones.
 * @param {Photo} photo
 * @param {State} state
 * @param {Float64Array} heat
 */
function averaged(photo, state, heat) {
  const cut = photo.labels[state.segments]
  const scores = superpixelScores(heat, cut, state.statistic)
  const chosen = select(scores, state)
  const area = chosen.reduce((sum, s) => sum + cut.area(s), 0) / heat.length
  const positive = scores.map((score, s) => cut.area(s) * Math.max(0, score))
  const total = positive.reduce((sum, value) => sum + value, 0)
  const evidence = total ? chosen.reduce((sum, s) => sum + positive[s], 0) / total : 0
  return { cut, scores, chosen, area, evidence }
}

/**
 * @param {Data} data
 * @param {Photo} photo
 * @param {State} state
 * @param {Float64Array} [space] of the picture's size, to be filled with the heat
 */
export function compute(data, photo, state, space) {
  const { K, Z, F } = photo.features
  const { w, bias, exact, bound, scoreBound } = weighted(data, photo, state)
  const contributions = w.map((value, k) => value * F[k])
  const { order, kept, on, active } = switches(contributions, state)
  const complete = active === K
  let score = bias // by the other way: through the averages F_k, not through the map
  for (let k = 0; k < K; k++) if (on[k]) score += contributions[k]
  const map = classMap(photo.features, w, on)
  const mean = map.reduce((sum, value) => sum + value) / Z
  // The colours keep the scale of the whole map, so that what is switched off is seen to fade.
  let heat = upsample(complete ? map : classMap(photo.features, w, null), photo, photo, space)
  /** @type {{ h: number, w: number, values: Float64Array }} what pointing at the picture tells */
  let cells = { h: photo.h, w: photo.w, values: map }
  let secondBound = 0
  let limit = largest(heat)
  if (!complete) heat = upsample(map, photo, photo, heat)
  if (data.kinds[state.kind].looks > 1 && photo.second) {
    const { h, w: across } = photo.second
    const second = secondContrast(photo.second, state, data.strongest)
    secondBound = second.bound
    heat = agreement(heat, upsample(second.map, photo.second, photo))
    limit = largest(heat)
    cells = { h, w: across, values: inTheMiddle(heat, photo.second, photo) }
  }
  const p = probabilities(data, photo, on, complete)
  return {
    w,
    bias,
    contributions,
    order,
    kept,
    on,
    active,
    complete,
    score,
    exact,
    map,
    mean,
    heat,
    cells,
    bound,
    scoreBound,
    secondBound,
    limit: limit || 1,
    probability: p[data.row(state.target)],
    rivalProbability: typeof state.against === "number" ? p[data.row(state.against)] : null,
    /** whether the map's mean, with the bias, is the score: an agreement of two looks has no such sum */
    addsUp: data.kinds[state.kind].adds_up,
    regions: state.regions ? averaged(photo, state, heat) : null,
  }
}

/**
 * The heat at the middle of each cell of a grid.
 * @param {Float64Array} heat
 * @param {{ h: number, w: number }} grid
 * @param {{ height: number, width: number }} size
 */
function inTheMiddle(heat, { h, w }, { height, width }) {
  return Float64Array.from({ length: h * w }, (_, i) => {
    const y = Math.floor(((Math.floor(i / w) + 0.5) * height) / h)
    return heat[y * width + Math.floor((((i % w) + 0.5) * width) / w)]
  })
}
