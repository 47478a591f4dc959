// Start every playground on the page, now and whenever another output arrives.

import { element, readPixels } from "./dom.js"
import { Playing } from "./playing.js"
import { Data } from "./unpack.js"

/** @type {Map<string, Data>} by the hash of the data */
const known = new Map()
/** @type {Playing[]} */
const playing = []

/** Start what isn't running and whose data is there, and the buttons that set it. */
export function start() {
  for (const script of scripts()) {
    const { key = "" } = script.dataset
    if (!known.has(key)) known.set(key, new Data(JSON.parse(script.textContent ?? ""), readPixels))
  }
  for (const root of waiting(".xai-play")) {
    const data = known.get(root.dataset.data ?? "")
    if (data) startPlaying(root, data) // else they stand in an output that isn't shown: the picture stays
  }
  for (const button of waiting(".xai-play-go")) startButton(button)
}

/** @returns {NodeListOf<HTMLElement>} */
const scripts = () => document.querySelectorAll("script.xai-play-data[data-key]")

/**
 * @param {string} what
 * @returns {NodeListOf<HTMLElement>}
 */
const waiting = what => document.querySelectorAll(`${what}:not([data-started])`)

/**
 * @param {HTMLElement} root
 * @param {Data} data
 */
function startPlaying(root, data) {
  root.dataset.started = "yes"
  const same = playing.filter(one => one.data === data).length
  const name = `${root.dataset.data}${same ? `-${same + 1}` : ""}`
  const one = new Playing(root, data, { id: `xai-play-${playing.length + 1}`, name })
  playing.push(one)
  Object.assign(root, { playground: one }) // for tests, and for a curious reader's console
  one.begin(stateInAddress(name)).catch(error => {
    root.append(
      element(
        "p",
        {},
        `The playground can't start in this browser (${error.message}). A current browser can.`,
      ),
    )
  })
}

/** @param {HTMLElement} button */
function startButton(button) {
  const one = playing.find(({ root }) => root.isConnected && root.dataset.data === button.dataset.data)
  if (!one) return
  button.dataset.started = "yes"
  button.hidden = false
  button.addEventListener("click", async () => {
    await one.restore(button.dataset.state ?? "")
    one.root.scrollIntoView({ block: "start", behavior: "smooth" })
    one.part("canvas").focus({ preventScroll: true })
  })
}

/** @param {string} name */
function stateInAddress(name) {
  const [, wanted, query] = location.hash.match(/^#play=([^&]*)&(.*)$/) ?? []
  return wanted === name ? query : null
}

window.addEventListener("hashchange", async () => {
  for (const one of playing) {
    const query = stateInAddress(one.name)
    if (!query || !one.result) continue
    await one.restore(query)
    one.root.scrollIntoView({ block: "start" })
  }
})

window.xaicorePlayground = { start }
start()
