import assert from "node:assert/strict"
import test from "node:test"
import { stops } from "../../xaicore/playground/js/controls.js"
import { changed, hindrance, readLink, startOf, takes, writeLink } from "../../xaicore/playground/js/state.js"
import { data, vectors } from "./vectors.js"

test("a link says what Python says, and is read as it was written", () => {
  for (const { state, link } of vectors.states) {
    assert.equal(writeLink(data, state), link)
    assert.deepEqual(readLink(data, link), { state, refused: [] })
  }
})

test("an empty link is the start: the first photograph's first answer", () => {
  const { state, refused } = readLink(data, "")
  assert.deepEqual(state, startOf(data, 0))
  assert.equal(data.row(state.target), data.photos[0].scores.indexOf(Math.max(...data.photos[0].scores)))
  assert.deepEqual(refused, [])
})

test("a broken link falls back key by key, and says where", () => {
  const broken = "photo=99&target=abc&kind=x&keep=-3&off=1,9999&top=1e9&mode=secam&opacity=0.5&cells=yes"
  const { state, refused } = readLink(data, broken)
  assert.deepEqual(state, { ...startOf(data, 0), opacity: 0.5 })
  const vain = [
    "photo=99",
    "target=abc",
    "kind=x",
    "keep=-3",
    "off=1,9999",
    "top=1e9",
    "mode=secam",
    "cells=yes",
  ]
  assert.deepEqual(refused, vain)
})

test("keys of a link may come in any order", () => {
  const start = startOf(data, 0)
  const link = `against=${start.target}&kind=contrast&target=7`
  const { state, refused } = readLink(data, link)
  assert.deepEqual([state.target, state.against, refused], [7, start.target, []])
})

test("unknown settings and values are refused", () => {
  const start = startOf(data, 0)
  const change = (/** @type {any} */ settings) => () => changed(data, start, settings)
  assert.throws(change({ class: 3 }), /No control is called class; there are photo, kind/)
  for (const bad of [
    { kind: "lime" },
    { top: 2.5 },
    { opacity: "1" },
    { cells: 1 },
    { off: 3 },
    { keep: 0 },
  ]) {
    assert.throws(change(bad), /can't be/, JSON.stringify(bad))
  }
  assert.throws(change({ against: start.target }), /against itself/)
  assert.deepEqual(change({ off: [5, 2, 5] })().off, [2, 5])
})

test("a focus needs a second look and all feature maps, and says so", () => {
  const start = startOf(data, 0)
  assert.equal(hindrance(data, start, "focus"), "")
  assert.match(hindrance(data, startOf(data, 1), "focus"), /second look/)
  assert.match(hindrance(data, { ...start, keep: 3 }, "focus"), /all feature maps/)
  assert.throws(() => changed(data, start, { kind: "focus", off: [1] }), /all feature maps/)
  assert.deepEqual(readLink(data, "kind=focus&keep=3").refused, ["keep=3"])
})

test("every row of the table takes its default", () => {
  for (const control of data.controls.values()) {
    if (control.name !== "target") assert.ok(takes(control, control.default), control.name)
  }
})

test("the stops of a slider are whole, ever larger, and have both ends", () => {
  for (const [low, high] of [
    [1, 2048],
    [1, 12],
    [1, 1],
  ]) {
    const numbers = stops(low, high)
    assert.deepEqual([numbers[0], numbers.at(-1)], [low, high])
    assert.deepEqual(
      numbers,
      [...new Set(numbers)].sort((a, b) => a - b),
    )
  }
})
