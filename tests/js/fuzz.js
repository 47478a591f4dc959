// Endless odd links for readLink: node fuzz.js SECONDS SEED FILE; the link at work is in FILE if one fails.

import assert from "node:assert/strict"
import { writeFileSync } from "node:fs"
import { readLink, takes, writeLink } from "../../xaicore/playground/js/state.js"
import { data, vectors } from "./vectors.js"

const [seconds, seed, most] = [2, 3, 5].map(at => Number(process.argv[at]))
const file = process.argv[4]
const links = vectors.states.map((/** @type {any} */ one) => String(one.link))
const names = [...data.controls.keys(), "__proto__", "constructor", "toString", "", "photo%00", "%", "ß"]
const odd = "0 -0 1 -1 1e9 1e-7 0x10 NaN Infinity null undefined true ,,, 1,2 1,,2 %00 %E0%A4%A %FF + 𝟙 ١ []"
const texts = [...odd.split(" "), "", " ", "9".repeat(400), "1,".repeat(2000), "&", "#", "=", "__proto__"]

let state = seed >>> 0
/** A whole number below n: xorshift, so that a seed gives the same links again. @param {number} n */
function below(n) {
  state = (state + 0x9e3779b9) >>> 0
  let mixed = state
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad)
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97)
  return ((mixed ^ (mixed >>> 15)) >>> 0) % n
}

/** @template T @param {T[]} list @returns {T} */
const one = list => list[below(list.length)]

/** @param {import("../../xaicore/playground/js/unpack.js").Control} control */
function value(control = one([...data.controls.values()])) {
  const kinds = [
    () => one(texts),
    () => String(control.choices ? one(control.choices)[0] : control.low),
    () => String(control.choices ? one(control.choices)[0] : control.high),
    () => String(below(3000) - 500),
    () => String((below(2000) - 500) / 1000),
    () => String.fromCodePoint(below(0xd000), 0x10000 + below(0xfffff)),
  ]
  return one(kinds)()
}

function link() {
  const parts = below(2) ? one(links).split("&") : []
  for (let i = below(4); i > 0; i--) {
    const name = below(4) ? one([...data.controls.keys()]) : one(names)
    parts.splice(below(parts.length + 1), 0, `${name}=${value(data.controls.get(name))}`)
  }
  let made = parts.join("&")
  for (let i = below(6); i > 3; i--) {
    const at = below(made.length + 1)
    made = made.slice(0, at) + one(["", "%", "&", "=", value()]) + made.slice(at + below(3))
  }
  return made
}

const end = performance.now() + 1000 * seconds
let [count, refusals, slowest] = [0, 0, 0]
while (performance.now() < end && count < most) {
  const made = link()
  const start = performance.now()
  try {
    const { state: found, refused } = readLink(data, made)
    for (const [name, control] of data.controls) {
      assert.ok(takes(control, found[/** @type {keyof typeof found} */ (name)]), name)
    }
    assert.equal(Object.keys(found).length, data.controls.size)
    assert.deepEqual(readLink(data, writeLink(data, found)), { state: found, refused: [] })
    refusals += Number(refused.length > 0)
  } catch (error) {
    writeFileSync(file, made)
    throw error
  }
  slowest = Math.max(slowest, performance.now() - start)
  count++
}
const told = `${refusals} with something refused; slowest ${(slowest / 1000).toFixed(2)} s`
const took = ((performance.now() - end) / 1000 + seconds).toFixed(0)
console.log(`links: ${count} inputs in ${took} s, ${told}. No finding.`)
