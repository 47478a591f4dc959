// The whole way from the page's data to numbers, words and pixels, for one state after another.

import assert from "node:assert/strict"
import test from "node:test"
import { compute } from "../../xaicore/playground/js/compute.js"
import { colourBar, picture } from "../../xaicore/playground/js/draw.js"
import { placeAt, placeByKey } from "../../xaicore/playground/js/pointing.js"
import { startOf } from "../../xaicore/playground/js/state.js"
import { bytes } from "../../xaicore/playground/js/unpack.js"
import * as words from "../../xaicore/playground/js/words.js"
import { apart, data, vectors } from "./vectors.js"

const { every, states } = vectors
const ROUNDING = 1e-5 // the 32-bit floats of the network and of the oracle

for (const want of states) {
  const { state, link, bound } = want
  const photo = await data.photo(state.photo)
  const result = compute(data, photo, state)
  const slack = bound + ROUNDING
  // a product under a root is off by more where one of its factors is near zero
  const reach = result.addsUp ? slack : Math.sqrt(result.limit * 2 * slack)

  test(`the numbers of ${link}`, () => {
    assert.ok(apart(result.map, want.cells) <= Math.min(result.bound, bound) + ROUNDING)
    assert.ok(
      apart(
        result.heat.filter((_, i) => i % (10 * every) === 0),
        want.heat,
      ) <= reach,
    )
    assert.equal(result.active, want.active)
    assert.equal(result.addsUp, "score" in want)
    assert.ok(Math.abs(result.mean + result.bias - result.score) < 1e-9)
    if (result.addsUp) assert.ok(Math.abs(result.score - want.score) <= slack)
    if (!result.regions) return
    assert.ok(apart(result.regions.scores, want.scores) <= reach)
    const inOrder = (/** @type {number[]} */ chosen) => [...chosen].sort((i, j) => i - j)
    assert.deepEqual(inOrder(result.regions.chosen), inOrder(want.chosen)) // rounding swaps near equals
    assert.ok(Math.abs(result.regions.area - want.area) < 1e-9)
    if (want.evidence !== null) assert.ok(Math.abs(result.regions.evidence - want.evidence) < 0.01)
  })

  test(`the picture of ${link}`, () => {
    const pixels = picture(photo, state, result, data.pair(state.colours))
    const told = bytes(want.picture)
    let off = 0
    for (let i = 0; i < told.length / 3; i++) {
      for (let c = 0; c < 3; c++) off = Math.max(off, Math.abs(pixels[4 * every * i + c] - told[3 * i + c]))
    }
    assert.ok(off <= 3, `off by ${off} of 255`)
  })

  test(`the words of ${link}`, () => {
    const view = { data, photo, state, result, at: null }
    assert.equal(words.title(data, state), want.title)
    const said = [
      words.summary(view),
      words.unitLine(view),
      words.readoutLine(view),
      words.exactnessLine(view),
    ]
    const place = words.placeLine({ ...view, at: 0 })
    if (!result.addsUp)
      assert.doesNotMatch([...said, place].join(), /adds .* to the|units of the score|evidence/)
    else if (!words.holdsParts(view) && state.regions) assert.doesNotMatch(place, /adds/)
    else assert.match(place, /adds .* to the (score|difference)/)
    assert.equal(words.regionsLine(view).includes("evidence"), typeof want.evidence === "number")
    const line = words.sumLine(view)
    const [mean, bias, score] = [line.mean, line.plus + line.bias, line.score].map(n =>
      Number(n.replace("−", "-")),
    )
    assert.ok(Math.abs(mean + bias - score) < 1e-9)
  })
}

test("no picture is another's: every control is seen", () => {
  const shown = new Map(states.map((/** @type {any} */ { picture, link }) => [picture, link]))
  assert.equal(shown.size, states.length - 1) // a focus has no cells to show
})

test("places are found by point and by key", async () => {
  const state = startOf(data, 0)
  const photo = await data.photo(0)
  const cam = compute(data, photo, state)
  assert.equal(placeAt(cam, photo, 0.99, 0.5), 3 * 7 + 6)
  assert.equal(placeAt(cam, photo, -0.1, 0.5), null)
  assert.equal(placeByKey(cam, null, "ArrowLeft"), 3 * 7 + 3)
  assert.equal(placeByKey(cam, 0, "ArrowLeft"), 0)
  assert.equal(placeByKey(cam, 0, "ArrowDown"), 7)
  assert.equal(placeByKey(cam, 0, "x"), undefined)
  assert.equal(placeByKey(cam, 0, "Escape"), null)
  const focus = compute(data, photo, { ...state, kind: "focus" })
  assert.equal(placeAt(focus, photo, 0.99, 0.99), 14 * 14 - 1)
  const regions = compute(data, photo, { ...state, regions: true })
  const best = Number(placeByKey(regions, null, "Home"))
  assert.equal(regions.regions?.chosen[0], best)
  assert.notEqual(placeByKey(regions, best, "ArrowUp"), placeByKey(regions, best, "ArrowDown"))
})

test("the colour bar goes from one colour to the other, or from none", () => {
  const state = startOf(data, 0)
  const pair = [0, 0, 255, 255, 0, 0]
  const bar = colourBar(pair, { ...state, opacity: 1 }, 5)
  assert.deepEqual(
    [bar[0], bar[2], bar[4]],
    [
      [0, 0, 255],
      [200, 200, 200],
      [255, 0, 0],
    ],
  )
  assert.deepEqual(colourBar(pair, { ...state, opacity: 1, sign: "positive" }, 5)[0], [200, 200, 200])
})

test("numbers are written as a page writes them", () => {
  assert.equal(words.number(-0.001), "0.00")
  assert.equal(words.number(-1.5, 1), "−1.5")
  assert.equal(words.percent(0.0004), "below 0.1%")
  assert.equal(words.percent(0.9999), "above 99.9%")
  assert.equal(words.percent(0.25), "25.0%")
  assert.equal(words.counted(2048), "2,048")
})
