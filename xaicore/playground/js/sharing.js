// Taking a picture or a link along.

import { contextOf, element } from "./dom.js"
import { number, tickLabels, title, unitLine } from "./words.js"

/** @import { View } from "./words.js" */

/**
 * Put text on the clipboard; says whether that worked.
 * @param {string} text which is also selected in a field
 */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    return document.execCommand("copy") // pages opened from a file, and frames, may have no clipboard
  }
}

/**
 * The picture on white, under its title and over its colour bar.
 * @param {{ canvas: HTMLCanvasElement, bar: HTMLCanvasElement }} canvases
 * @param {View} view
 */
export function sheet({ canvas, bar }, view) {
  const { data, state, result } = view
  const out = element("canvas", { width: canvas.width, height: canvas.height + 96 })
  const context = contextOf(out)
  const { width, height } = out
  context.fillStyle = "#fff"
  context.fillRect(0, 0, width, height)
  context.fillStyle = "#111"
  context.font = "600 16px sans-serif"
  const score = `, ${data.kinds[state.kind].rivals ? "difference" : "score"} ${number(result.score)}`
  context.fillText(title(data, state) + (result.addsUp ? score : ""), 8, 24, width - 16)
  context.drawImage(canvas, 0, 36)
  context.drawImage(bar, 8, height - 50, width - 16, 14)
  context.font = "13px sans-serif"
  const places = /** @type {[CanvasTextAlign, number][]} */ ([
    ["left", 8],
    ["center", width / 2],
    ["right", width - 8],
  ])
  tickLabels(view).forEach((text, i) => {
    const [align, x] = places[i]
    context.textAlign = align
    context.fillText(text, x, height - 20)
  })
  context.textAlign = "center"
  context.fillText(unitLine(view), width / 2, height - 4, width - 16)
  return out
}

/**
 * @param {string} name
 * @param {HTMLCanvasElement} canvas
 */
export function saveAs(name, canvas) {
  canvas.toBlob(blob => {
    if (!blob) return
    const anchor = element("a", { href: URL.createObjectURL(blob), download: name })
    anchor.click()
    setTimeout(() => URL.revokeObjectURL(anchor.href), 10_000)
  }, "image/png")
}
