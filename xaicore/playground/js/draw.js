// Pixels: the map in colour over the grey photograph, chosen superpixels, the colour bar. Pure.

/** @import { Cut, Photo } from "./unpack.js" */
/** @import { State } from "./state.js" */
/** @import { Result } from "./compute.js" */

const LEVELS = 2047 // of colour, from −limit to limit
const YELLOW = [255, 220, 0]
const WHITE = [255, 255, 255]

/**
 * The photograph without its colours, and with less contrast, as xaicore.show.painting.overlay has it.
 * @param {Uint8ClampedArray} rgba
 */
export function greyOf(rgba) {
  const grey = new Float32Array(rgba.length / 4)
  for (let i = 0, p = 0; i < grey.length; i++, p += 4) {
    const luma = 0.2125 * rgba[p] + 0.7154 * rgba[p + 1] + 0.0721 * rgba[p + 2]
    grey[i] = 255 * 0.25 + 0.7 * luma
  }
  return grey
}

/**
 * Colour to lay over the photograph for values from −limit to limit, and what stays of the grey.
 * @param {ArrayLike<number>} pair the colours against and for, as RGB bytes
 * @param {State} state
 * @param {number} levels
 */
export function paints(pair, { sign, opacity }, levels = LEVELS) {
  const colours = [0, 1, 2].map(() => new Float32Array(levels))
  const rest = new Float32Array(levels)
  for (let level = 0; level < levels; level++) {
    let v = (2 * level) / (levels - 1) - 1
    if (sign === "positive" && v < 0) v = 0
    const start = v < 0 ? 0 : 3
    const alpha = opacity * Math.abs(v) // colour fades with the value
    for (let c = 0; c < 3; c++) colours[c][level] = alpha * pair[start + c]
    rest[level] = 1 - alpha
  }
  return [...colours, rest]
}

/**
 * The value at each pixel that the picture shows in colour.
 * @param {Photo} photo
 * @param {State} state
 * @param {Result} result
 */
export function shown({ w, h, width, height }, { cells }, { regions, heat, map, addsUp }) {
  if (regions) return heat.map((_, i) => regions.scores[regions.cut.label[i]])
  if (!cells || !addsUp) return heat // an agreement has no cells of its own
  return heat.map((_, i) => {
    const row = Math.floor((Math.floor(i / width) * h) / height)
    return map[row * w + Math.floor(((i % width) * w) / width)]
  })
}

/**
 * The whole picture as RGBA bytes.
 * @param {Photo} photo
 * @param {State} state
 * @param {Result} result
 * @param {ArrayLike<number>} pair
 */
export function picture(photo, state, result, pair) {
  const out = new Uint8ClampedArray(photo.rgba)
  const { regions } = result
  if (!regions || state.view === "heat") {
    lay(out, photo.grey, shown(photo, state, result), result.limit, paints(pair, state))
    if (regions) drawBorders(out, regions.cut, null, WHITE, 0)
    return out
  }
  const chosen = new Uint8Array(regions.cut.n)
  for (const s of regions.chosen) chosen[s] = 1
  if (state.view === "outline") drawBorders(out, regions.cut, chosen, YELLOW, 1)
  else fade(out, regions.cut, chosen)
  return out
}

/**
 * @param {Uint8ClampedArray} out
 * @param {Float32Array} grey
 * @param {Float64Array} values
 * @param {number} limit
 * @param {Float32Array[]} paints
 */
function lay(out, grey, values, limit, [red, green, blue, rest]) {
  const half = (LEVELS - 1) / 2
  for (let i = 0, p = 0; i < grey.length; i++, p += 4) {
    const level = Math.round(half + half * Math.min(Math.max(values[i] / limit, -1), 1))
    const base = rest[level] * grey[i]
    out[p] = red[level] + base
    out[p + 1] = green[level] + base
    out[p + 2] = blue[level] + base
  }
}

/**
 * Outside the chosen superpixels only a breath of the photograph remains.
 * @param {Uint8ClampedArray} out
 * @param {Cut} cut
 * @param {Uint8Array} chosen
 */
function fade(out, { label }, chosen) {
  for (let i = 0; i < label.length; i++) {
    if (chosen[label[i]]) continue
    for (let p = 4 * i; p < 4 * i + 3; p++) out[p] = 0.15 * out[p] + 0.85 * 235
  }
}

/**
 * Where a chosen superpixel (or any, if null) meets another one; `more` pixels thicker on each side.
 * @param {Uint8ClampedArray} out
 * @param {Cut} cut
 * @param {Uint8Array | null} chosen
 * @param {number[]} colour
 * @param {number} more
 */
function drawBorders(out, { label, width, borders }, chosen, colour, more) {
  const last = width - 1
  for (let p = 0; p < borders.length; p += 2) {
    const [i, j] = [borders[p], borders[p + 1]]
    if (chosen && !chosen[label[i]] && !chosen[label[j]]) continue
    const step = j - i // 1, or a row
    for (let at = i - more * step; at <= i + more * step; at += step) {
      if (at < 0 || at >= label.length) continue
      if (step === 1 && Math.abs((at % width) - (i % width)) === last) continue // over the edge
      for (let c = 0; c < 3; c++) out[4 * at + c] = colour[c]
    }
  }
}

/**
 * The colour bar, over mid-grey: one RGB triple for each of `width` pixels.
 * @param {ArrayLike<number>} pair
 * @param {State} state
 * @param {number} width
 */
export function colourBar(pair, state, width) {
  const [red, green, blue, rest] = paints(pair, state, 2 * width - 1)
  return Array.from({ length: width }, (_, x) => {
    const level = state.sign === "positive" ? width - 1 + x : 2 * x
    return [red, green, blue].map(one => Math.round(one[level] + rest[level] * 200))
  })
}

/**
 * The pixels on the rim of one superpixel.
 * @param {Cut} cut
 * @param {number} s
 */
export function rim({ label, width, start, pixels }, s) {
  return pixels.subarray(start[s], start[s + 1]).filter(i => {
    const x = i % width
    const inside = x > 0 && x + 1 < width && i >= width && i + width < label.length
    return !inside || [i - 1, i + 1, i - width, i + width].some(j => label[j] !== s)
  })
}
