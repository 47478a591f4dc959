// Pointing at the picture: by mouse, by touch, by arrow keys. A place is a cell, or a superpixel if there are any.

import { contextOf } from "./dom.js"
import { rim } from "./draw.js"

/** @import { Photo } from "./unpack.js" */
/** @import { Result } from "./compute.js" */

/** @type {Record<string, [number, number]>} */
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }

/**
 * The place at a point of the picture, whose sides have length 1; null outside.
 * @param {Result} result
 * @param {Photo} photo
 * @param {number} x
 * @param {number} y
 */
export function placeAt({ regions, cells }, { height, width }, x, y) {
  if (x < 0 || y < 0 || x >= 1 || y >= 1) return null
  if (!regions) return Math.floor(y * cells.h) * cells.w + Math.floor(x * cells.w)
  return regions.cut.label[Math.floor(y * height) * width + Math.floor(x * width)]
}

/**
 * Where a key leads from a place; undefined for a key that means nothing here.
 * @param {Result} result
 * @param {number | null} at
 * @param {string} key
 */
export function placeByKey({ regions, cells }, at, key) {
  const values = regions ? regions.scores : cells.values
  if (key === "Escape") return null
  if (key === "Home") return values.indexOf(Math.max(...values))
  if (key === "End") return values.indexOf(Math.min(...values))
  if (!(key in STEPS)) return undefined
  if (regions)
    return at === null ? values.indexOf(Math.max(...values)) : nextRegion(regions.cut, at, STEPS[key])
  return at === null
    ? Math.floor(cells.h / 2) * cells.w + Math.floor(cells.w / 2)
    : nextCell(cells, at, STEPS[key])
}

/**
 * @param {{ h: number, w: number }} grid
 * @param {number} at
 * @param {[number, number]} step
 */
function nextCell({ h, w }, at, [dx, dy]) {
  const x = Math.min(Math.max((at % w) + dx, 0), w - 1)
  const y = Math.min(Math.max(Math.floor(at / w) + dy, 0), h - 1)
  return y * w + x
}

/**
 * The superpixel whose centre is nearest within 45° of a direction.
 * @param {{ n: number, row: Float64Array, column: Float64Array }} cut
 * @param {number} at
 * @param {[number, number]} step
 */
function nextRegion({ n, row, column }, at, [dx, dy]) {
  let best = at
  let nearest = Infinity
  for (let s = 0; s < n; s++) {
    const [x, y] = [column[s] - column[at], row[s] - row[at]]
    const ahead = x * dx + y * dy
    const aside = Math.abs(x * dy) + Math.abs(y * dx)
    const distance = Math.hypot(x, y)
    if (ahead > 0 && aside <= ahead && distance < nearest) [best, nearest] = [s, distance]
  }
  return best
}

/**
 * Frame the place that is pointed at.
 * @param {HTMLCanvasElement} marks
 * @param {Photo} photo
 * @param {Result} result
 * @param {number | null} at
 */
export function frame(marks, { width, height }, { regions, cells }, at) {
  const context = contextOf(marks)
  context.clearRect(0, 0, width, height)
  if (at === null) return
  if (regions) {
    for (const [size, colour] of /** @type {[number, string][]} */ ([
      [7, "#000"],
      [3, "#fff"],
    ])) {
      context.fillStyle = colour
      for (const i of rim(regions.cut, at)) {
        context.fillRect((i % width) - (size >> 1), Math.floor(i / width) - (size >> 1), size, size)
      }
    }
    return
  }
  const [across, down] = [width / cells.w, height / cells.h]
  for (const [line, colour] of /** @type {[number, string][]} */ ([
    [6, "#000"],
    [3, "#fff"],
  ])) {
    context.lineWidth = line
    context.strokeStyle = colour
    context.strokeRect((at % cells.w) * across, Math.floor(at / cells.w) * down, across, down)
  }
}

/**
 * Let pointer and keys over the picture lead from place to place.
 * @param {HTMLCanvasElement} canvas
 * @param {{ photo: Photo, result: Result, at: number | null, goTo: (at: number | null) => void }} playing
 */
export function listen(canvas, playing) {
  const point = (/** @type {PointerEvent} */ event) => {
    const box = canvas.getBoundingClientRect()
    const [x, y] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height]
    const at = placeAt(playing.result, playing.photo, x, y)
    if (at !== null) playing.goTo(at)
  }
  canvas.addEventListener("pointermove", point)
  canvas.addEventListener("pointerdown", point)
  canvas.addEventListener("pointerleave", event => {
    if (event.pointerType === "mouse" && document.activeElement !== canvas) playing.goTo(null)
  })
  canvas.addEventListener("keydown", event => {
    const at = placeByKey(playing.result, playing.at, event.key)
    if (at === undefined) return
    playing.goTo(at)
    event.preventDefault()
  })
}
