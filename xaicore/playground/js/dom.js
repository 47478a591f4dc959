// The few things that need the document: elements, and the pixels of a photograph.

import { greyOf } from "./draw.js"

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string | number>} attributes
 * @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function element(tag, attributes = {}, ...children) {
  const out = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) out.setAttribute(name, String(value))
  out.append(...children)
  return out
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {CanvasRenderingContext2DSettings} [options]
 */
export function contextOf(canvas, options) {
  return /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", options))
}

/** @param {string} jpeg in base64 */
export const address = jpeg => `data:image/jpeg;base64,${jpeg}`

/**
 * @param {string} jpeg
 * @param {number} width
 * @param {number} height
 */
export async function readPixels(jpeg, width, height) {
  const picture = new Image()
  picture.src = address(jpeg)
  await picture.decode()
  const canvas = element("canvas", { width, height })
  const context = contextOf(canvas, { willReadFrequently: true })
  context.drawImage(picture, 0, 0)
  const rgba = context.getImageData(0, 0, width, height).data
  return { rgba, grey: greyOf(rgba) }
}
