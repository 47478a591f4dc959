import assert from "node:assert/strict"
import test from "node:test"
import {
  agreement,
  classMap,
  difference,
  median,
  select,
  shares,
  softmax,
  superpixelScores,
  upsample,
} from "../../xaicore/playground/js/equations.js"
import { describeLabels, rowsOf16, sparse } from "../../xaicore/playground/js/unpack.js"
import { apart, data, float64, vectors } from "./vectors.js"

const { eight, sixteen, upsample: enlarged, agreement: agreed, regions, shares: shared } = vectors.equations

test("codes of 8 bits become feature maps, and these a class activation map", () => {
  const [scale, offset] = [Float32Array.from(eight.scale), Float32Array.from(eight.offset)]
  const features = sparse(Uint8Array.from(eight.codes), scale, offset)
  assert.ok(apart(features.F, eight.F) < 1e-9)
  const whole = classMap(features, float64(eight.w), null)
  assert.ok(apart(whole, eight.map) < 1e-9)
  const none = classMap(features, float64(eight.w), new Uint8Array(features.K))
  assert.ok(none.every(value => value === 0))
})

test("codes of 16 bits become rows of numbers", () => {
  const rows = rowsOf16(Uint8Array.from(sixteen.codes), sixteen.scale, sixteen.offset)
  assert.equal(rows.length, sixteen.rows.length)
  for (const [i, row] of rows.entries()) assert.ok(apart(row, sixteen.rows[i]) < 1e-12)
})

test("cells are enlarged to pixels", () => {
  const heat = upsample(float64(enlarged.cells), enlarged.grid, enlarged.size)
  assert.ok(apart(heat, enlarged.heat) < 1e-12)
  const one = upsample(float64([3]), { h: 1, w: 1 }, { height: 2, width: 2 })
  assert.deepEqual([...one], [3, 3, 3, 3])
})

test("two maps agree where their signs do", () => {
  const [a, b, both] = agreed
  assert.ok(apart(agreement(float64(a), float64(b)), both) < 1e-12)
})

test("superpixels take the mean, the maximum or the median", () => {
  const cut = describeLabels(Uint8Array.from(regions.label), regions.n, regions.width)
  for (const [statistic, scores] of Object.entries(regions.scores)) {
    assert.ok(apart(superpixelScores(float64(regions.heat), cut, statistic), scores) < 1e-12, statistic)
  }
})

test("the best superpixels are chosen", () => {
  const scores = float64(regions.scores.mean)
  assert.deepEqual(select(scores, { choose: "top", top: 4, threshold: 1 }), regions.top)
  assert.deepEqual(select(scores, { choose: "threshold", top: 1, threshold: 0.3 }), regions.threshold)
  assert.deepEqual(select(float64([-1, 0]), { choose: "threshold", top: 1, threshold: 0.5 }), [])
})

test("a class is set against its rivals, all others, or one", () => {
  for (const { c, against, q } of shared.of) {
    const found = shares(shared.scores, null, c, against, data.strongest)
    assert.ok(apart(found.q, q) < 1e-9, `${c} against ${against}`)
  }
})

test("classes without a row of their own count as one", () => {
  const offered = shared.scores.slice(0, 20)
  const left = shared.scores.slice(20)
  const rest = Math.log(
    left.reduce((/** @type {number} */ sum, /** @type {number} */ s) => sum + Math.exp(s), 0),
  )
  const all = shares(shared.scores, null, 7, "others", 10)
  const some = shares(offered, rest, 7, "others", 10)
  assert.ok(apart(some.q, all.q.slice(0, 20)) < 1e-12)
  assert.ok(Math.abs(some.rest - all.q.slice(20).reduce((sum, q) => sum + q, 0)) < 1e-12)
})

test("a difference is linear", () => {
  const rows = [float64([5, 1]), float64([2, 2]), float64([4, 0])]
  const against = { q: float64([0, 0.25, 0.25]), rest: 0.5 }
  assert.deepEqual([...difference(rows, 0, against, float64([1, 1]))], [3, 0])
})

test("a softmax survives large scores", () => {
  assert.deepEqual(softmax([1000, 1000]), [0.5, 0.5])
})

test("the median of few, of many, and of equal values", () => {
  for (const values of [[3], [2, 1], [5, 1, 4], [1, 1, 1, 1], [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]]) {
    const sorted = [...values].sort((a, b) => a - b)
    const half = values.length >> 1
    const want = values.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2
    assert.equal(median(float64(values)), want)
  }
})
