// The equations of the book, with its letters. Pure: numbers in, numbers out.

/** @import { Cut, Features, Grid } from "./unpack.js" */

/**
 * M(x,y) = Σ_k w_k f_k(x,y) over the feature maps that are on.
 * @param {Features} features
 * @param {Float64Array} w
 * @param {Uint8Array | null} on null for all
 */
export function classMap({ K, Z, cells, values, begin, scale, offset }, w, on) {
  const M = new Float64Array(Z)
  let everywhere = 0 // what offsets, which only signed feature maps have, add to each cell
  for (let k = 0; k < K; k++) {
    if (on && !on[k]) continue
    const a = w[k] * scale[k]
    everywhere += w[k] * offset[k]
    for (let p = begin[k]; p < begin[k + 1]; p++) M[cells[p]] += a * values[p]
  }
  return everywhere ? M.map(value => value + everywhere) : M
}

/**
 * What a class is set against: a share q_j for each row of scores, Σ q_j = 1, and none for the class.
 *
 * "others": every other class by its probability among the others, those without a row together as `rest`;
 * "rivals": the `strongest` other classes in equal shares; a number: that row alone.
 * @param {ArrayLike<number>} scores one for each row
 * @param {number | null} rest log Σ exp(score) of all classes that have no row
 * @param {number} c the row of the class
 * @param {"others" | "rivals" | number} against
 * @param {number} strongest
 * @returns {{ q: Float64Array, rest: number }}
 */
export function shares(scores, rest, c, against, strongest) {
  const q = new Float64Array(scores.length)
  if (typeof against === "number") {
    q[against] = 1
    return { q, rest: 0 }
  }
  if (against === "rivals") {
    const others = [...q.keys()].filter(j => j !== c).sort((i, j) => scores[j] - scores[i])
    const rivals = others.slice(0, strongest)
    for (const j of rivals) q[j] = 1 / rivals.length
    return { q, rest: 0 }
  }
  const all = [...Array.from(scores, (score, j) => (j === c ? -Infinity : score)), rest ?? -Infinity]
  const p = softmax(all)
  return { q: Float64Array.from(p.slice(0, -1)), rest: p[p.length - 1] }
}

/**
 * rows[c] − Σ_j q_j rows[j] − q_rest · rest: of weights, or of finished maps; both are linear.
 * @param {Float64Array[]} rows
 * @param {number} c
 * @param {{ q: Float64Array, rest: number }} against
 * @param {Float64Array | null} rest
 */
export function difference(rows, c, against, rest) {
  const out = rows[c].slice()
  const subtract = (/** @type {Float64Array} */ row, /** @type {number} */ q) => {
    for (let k = 0; k < out.length; k++) out[k] -= q * row[k]
  }
  against.q.forEach((q, j) => {
    if (q) subtract(rows[j], q)
  })
  if (rest && against.rest) subtract(rest, against.rest)
  return out
}

/**
 * @param {number[]} scores
 * @returns {number[]}
 */
export function softmax(scores) {
  const most = Math.max(...scores)
  const powers = scores.map(score => Math.exp(score - most))
  const total = powers.reduce((sum, power) => sum + power, 0)
  return powers.map(power => power / total)
}

/**
 * Bilinear, half_pixel: cells tile the picture, and by a whole factor the mean is kept.
 * @param {Float64Array} M
 * @param {Grid} grid
 * @param {{ height: number, width: number }} size
 * @param {Float64Array} [heat] an array to fill
 */
export function upsample(M, { h, w }, { height, width }, heat = new Float64Array(height * width)) {
  const across = taps(w, width)
  const down = taps(h, height)
  const wide = new Float64Array(h * width)
  for (let y = 0; y < h; y++) {
    for (let x = 0; x < width; x++) {
      const p = y * w + across.first[x]
      wide[y * width + x] = M[p] + (M[p + across.step] - M[p]) * across.share[x]
    }
  }
  for (let y = 0; y < height; y++) {
    const share = down.share[y]
    for (let x = 0, p = down.first[y] * width, q = y * width; x < width; x++, p++, q++) {
      heat[q] = wide[p] + (wide[p + down.step * width] - wide[p]) * share
    }
  }
  return heat
}

/**
 * For each pixel the first of the two cells that it lies between, and the second one's share.
 * @param {number} cells
 * @param {number} pixels
 */
function taps(cells, pixels) {
  const first = new Int32Array(pixels)
  const share = new Float64Array(pixels)
  for (let i = 0; i < pixels; i++) {
    const at = Math.min(Math.max(((i + 0.5) * cells) / pixels - 0.5, 0), cells - 1)
    first[i] = Math.min(Math.floor(at), Math.max(cells - 2, 0))
    share[i] = at - first[i]
  }
  return { first, share, step: cells > 1 ? 1 : 0 }
}

/**
 * What two signed maps agree on: ±√|AB| where both have one sign, else 0.
 * @param {Float64Array} A
 * @param {Float64Array} B
 */
export function agreement(A, B) {
  return A.map((a, i) => (a * B[i] > 0 ? Math.sign(a) * Math.sqrt(a * B[i]) : 0))
}

/**
 * Mean, max or median of the map over each superpixel.
 * @param {Float64Array} heat
 * @param {Pick<Cut, "label" | "n" | "start" | "pixels">} cut
 * @param {string} statistic
 */
export function superpixelScores(heat, { label, n, start, pixels }, statistic) {
  if (statistic === "median") {
    const values = new Float64Array(pixels.length)
    for (let i = 0; i < values.length; i++) values[i] = heat[pixels[i]]
    return Float64Array.from({ length: n }, (_, s) => median(values.subarray(start[s], start[s + 1])))
  }
  const scores = new Float64Array(n)
  if (statistic === "max") {
    scores.fill(-Infinity)
    for (let i = 0; i < heat.length; i++) if (heat[i] > scores[label[i]]) scores[label[i]] = heat[i]
  } else {
    for (let i = 0; i < heat.length; i++) scores[label[i]] += heat[i]
    for (let s = 0; s < n; s++) scores[s] /= start[s + 1] - start[s]
  }
  return scores
}

/**
 * By quickselect, in place: sorting all of them would take several times as long.
 * @param {Float64Array} values
 */
export function median(values) {
  const half = values.length >> 1
  let [low, high] = [0, values.length - 1]
  while (low < high) {
    const pivot = values[(low + high) >> 1]
    let [i, j] = [low, high]
    while (i <= j) {
      while (values[i] < pivot) i++
      while (values[j] > pivot) j--
      if (i <= j) {
        const value = values[i]
        values[i++] = values[j]
        values[j--] = value
      }
    }
    if (half <= j) high = j
    else if (half >= i) low = i
    else break
  }
  if (values.length % 2) return values[half]
  let below = -Infinity
  for (let i = 0; i < half; i++) if (values[i] > below) below = values[i]
  return (below + values[half]) / 2
}

/**
 * Best first; only superpixels with a positive score are ever chosen.
 * @param {Float64Array} scores
 * @param {{ choose: string, top: number, threshold: number }} how threshold: a share of the best score
 */
export function select(scores, { choose, top, threshold }) {
  const order = [...scores.keys()].sort((a, b) => scores[b] - scores[a]).filter(s => scores[s] > 0)
  if (choose === "top") return order.slice(0, top)
  return order.filter(s => scores[s] >= threshold * scores[order[0]])
}

/**
 * The largest |value|.
 * @param {Float64Array} values
 */
export function largest(values) {
  let most = 0
  for (const value of values) if (Math.abs(value) > most) most = Math.abs(value)
  return most
}
