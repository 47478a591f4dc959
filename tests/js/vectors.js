// What xaicore says, written by write_vectors.py; the page's data unpacked, its photographs not through a JPEG.

import { readFileSync } from "node:fs"
import { greyOf } from "../../xaicore/playground/js/draw.js"
import { bytes, Data } from "../../xaicore/playground/js/unpack.js"

export const vectors = JSON.parse(readFileSync(new URL("./vectors.json", import.meta.url), "utf-8"))

/** @type {Map<string, Uint8ClampedArray>} */
const pixels = new Map(
  vectors.page.photos.map((/** @type {any} */ photo, /** @type {number} */ i) => [
    photo.jpeg,
    new Uint8ClampedArray(bytes(vectors.photographs[i])),
  ]),
)

export const data = await new Data(vectors.page, async jpeg => {
  const rgba = /** @type {Uint8ClampedArray} */ (pixels.get(jpeg))
  return { rgba, grey: greyOf(rgba) }
}).prepare()

/**
 * The largest |a − b|.
 * @param {ArrayLike<number>} a
 * @param {ArrayLike<number>} b
 */
export function apart(a, b) {
  if (a.length !== b.length) return Infinity
  let most = 0
  for (let i = 0; i < a.length; i++) most = Math.max(most, Math.abs(a[i] - b[i]))
  return most
}

/** @param {number[]} values */
export const float64 = values => Float64Array.from(values)
