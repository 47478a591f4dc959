// From the page's JSON to arrays. Needs no document: the photograph's pixels are read in dom.js.

/**
 * A row of the table of controls, as xaicore/playground/controls.py writes it.
 * @typedef {string | number | boolean} Value
 * @typedef {{
 *   name: string, label: string, help: string, default: any, choices: [Value, string][] | null,
 *   low: number | null, high: number | null, step: number | null,
 *   whole: boolean, optional: boolean, several: boolean,
 * }} Control
 *
 * A kind of map; `looks`: how many input sizes it compares.
 * @typedef {{
 *   title: string, averaged: string, unit: string, adds_up: boolean, rivals: boolean, looks: number,
 * }} Kind
 *
 * @typedef {{ index: number, name: string, bias: number, scale: number, offset: number }} ClassRow
 *
 * All classes that are not offered, as one: log Σ exp(S), and their means by probability.
 * @typedef {{
 *   score: number, mean: number, bias: number, weights: string, scale: number, offset: number,
 *   bound: number, score_bound: number,
 * }} Rest
 *
 * A larger input's maps of classes; the last row is that of the classes without a map, if `rest`.
 * @typedef {{
 *   shape: [number, number], classes: number[], scores: number[], rest: boolean,
 *   maps: string, scale: string, offset: string,
 * }} SecondJSON
 *
 * @typedef {{
 *   name: string, size: [number, number], jpeg: string, shape: [number, number, number],
 *   features: string, scale: string, offset: string | null, scores: number[], rest: Rest | null,
 *   bound: number[], score_bound: number[], second: SecondJSON | null,
 *   labels: Record<string, string>, superpixels: Record<string, number>,
 * }} PhotoJSON
 *
 * @typedef {{
 *   controls: Control[], kinds: Record<string, Kind>, classes: ClassRow[], total: number, strongest: number, weights: string,
 *   colours: Record<string, string>, photos: PhotoJSON[],
 * }} PageJSON
 *
 * Feature maps without their zeros: of map k, `values` and their `cells` lie from begin[k] to begin[k + 1].
 * @typedef {{
 *   K: number, Z: number, cells: Uint16Array, values: Uint8Array, begin: Int32Array,
 *   scale: Float32Array, offset: Float32Array, F: Float64Array,
 * }} Features
 *
 * @typedef {ReturnType<typeof describeLabels>} Cut
 * @typedef {{ h: number, w: number }} Grid
 * @typedef {Grid & {
 *   classes: number[], scores: number[], rest: boolean, maps: Float64Array[], bound: number[],
 * }} Second
 *
 * @typedef {Grid & {
 *   name: string, K: number, Z: number, height: number, width: number, features: Features,
 *   rgba: Uint8ClampedArray, grey: Float32Array, labels: Record<string, Cut>,
 *   scores: number[], bound: number[], score_bound: number[],
 *   rest: (Rest & { w: Float64Array }) | null, second: Second | null,
 * }} Photo
 */

/** @param {string} base64 */
export function bytes(base64) {
  const text = atob(base64)
  const out = new Uint8Array(text.length)
  for (let i = 0; i < out.length; i++) out[i] = text.charCodeAt(i)
  return out
}

/** @param {string} base64 */
export async function inflate(base64) {
  const stream = new Blob([bytes(base64)]).stream().pipeThrough(new DecompressionStream("deflate"))
  return new Uint8Array(await new Response(stream).arrayBuffer())
}

/** @param {string} base64 */
export const floats = base64 => new Float32Array(bytes(base64).buffer)

/**
 * 16-bit codes as numbers: offset + scale · code, row after row. All high bytes stand before all low bytes.
 * @param {Uint8Array} codes
 * @param {ArrayLike<number>} scale one for each row
 * @param {ArrayLike<number>} offset
 */
export function rowsOf16(codes, scale, offset) {
  const half = codes.length / 2
  const length = half / scale.length
  return Array.from(scale, (step, row) => {
    const values = new Float64Array(length)
    for (let i = 0, p = row * length; i < length; i++, p++) {
      values[i] = offset[row] + step * (256 * codes[p] + codes[half + p])
    }
    return values
  })
}

/**
 * Most codes of a network with ReLU are 0: keep the others, with their cells, and sums go faster.
 * @param {Uint8Array} codes (K, Z)
 * @param {Float32Array} scale
 * @param {Float32Array} offset
 * @returns {Features}
 */
export function sparse(codes, scale, offset) {
  const K = scale.length
  const Z = codes.length / K
  const cells = new Uint16Array(codes.length)
  const values = new Uint8Array(codes.length)
  const begin = new Int32Array(K + 1)
  const F = new Float64Array(K) // F_k, the mean of each feature map
  for (let k = 0, n = 0; k < K; k++) {
    let sum = 0
    for (let i = 0; i < Z; i++) {
      const code = codes[k * Z + i]
      if (code === 0) continue
      cells[n] = i
      values[n++] = code
      sum += code
    }
    begin[k + 1] = n
    F[k] = offset[k] + (scale[k] * sum) / Z
  }
  return { K, Z, cells, values, begin, scale, offset, F }
}

/**
 * A label map with its pixels in order of their superpixel, each superpixel's size and centre, and the
 * pairs of neighbouring pixels between which a border runs.
 * @param {Uint8Array | Uint16Array} label
 * @param {number} n how many superpixels
 * @param {number} width
 */
export function describeLabels(label, n, width) {
  const start = new Int32Array(n + 1)
  for (const s of label) start[s + 1]++
  for (let s = 0; s < n; s++) start[s + 1] += start[s]
  const fill = start.slice()
  const pixels = new Int32Array(label.length)
  const row = new Float64Array(n)
  const column = new Float64Array(n)
  for (let i = 0; i < label.length; i++) {
    const s = label[i]
    pixels[fill[s]++] = i
    row[s] += Math.floor(i / width)
    column[s] += i % width
  }
  for (let s = 0; s < n; s++) {
    row[s] /= start[s + 1] - start[s]
    column[s] /= start[s + 1] - start[s]
  }
  /** @type {number[]} */
  const borders = []
  for (let i = 0, x = 0; i < label.length; i++, x = x + 1 < width ? x + 1 : 0) {
    if (x + 1 < width && label[i] !== label[i + 1]) borders.push(i, i + 1)
    if (i + width < label.length && label[i] !== label[i + width]) borders.push(i, i + width)
  }
  const area = (/** @type {number} */ s) => start[s + 1] - start[s]
  return { label, n, width, start, pixels, row, column, borders, area }
}

/**
 * Call `make` once for each key.
 * @template T, V
 * @param {(key: T) => V} make
 */
export function remember(make) {
  /** @type {Map<T, V>} */
  const known = new Map()
  return (/** @type {T} */ key) => {
    if (!known.has(key)) known.set(key, make(key))
    return /** @type {V} */ (known.get(key))
  }
}

/**
 * @param {SecondJSON} json
 * @returns {Promise<Second>}
 */
async function unpackSecond(json) {
  const scale = floats(json.scale)
  const maps = rowsOf16(await inflate(json.maps), scale, floats(json.offset))
  const [h, w] = json.shape
  const bound = Array.from(scale, step => step / 2) // a code is off by half a step at most
  return { h, w, classes: json.classes, scores: json.scores, rest: json.rest, maps, bound }
}

/** @param {Rest} json */
async function unpackRest(json) {
  const [w] = rowsOf16(await inflate(json.weights), [json.scale], [json.offset])
  return { ...json, w }
}

/**
 * @typedef {(jpeg: string, width: number, height: number) =>
 *   Promise<{ rgba: Uint8ClampedArray, grey: Float32Array }>} ReadPixels
 * @param {PhotoJSON} json
 * @param {ReadPixels} readPixels
 * @returns {Promise<Photo>}
 */
export async function unpackPhoto(json, readPixels) {
  const [K, h, w] = json.shape
  const [height, width] = json.size
  const [codes, second, rest, pixels] = await Promise.all([
    inflate(json.features),
    json.second && unpackSecond(json.second),
    json.rest && unpackRest(json.rest),
    readPixels(json.jpeg, width, height),
  ])
  const features = sparse(codes, floats(json.scale), json.offset ? floats(json.offset) : new Float32Array(K))
  /** @type {Record<string, Cut>} */
  const labels = {}
  for (const [n, packed] of Object.entries(json.labels)) {
    const found = json.superpixels[n]
    const label = await inflate(packed)
    labels[n] = describeLabels(found > 256 ? new Uint16Array(label.buffer) : label, found, width)
  }
  const { name, scores, bound, score_bound } = json
  const size = { K, h, w, Z: h * w, height, width }
  return { name, ...size, ...pixels, features, labels, scores, bound, score_bound, rest, second }
}

/** What all playgrounds of one page's data share; each part is unpacked when first asked for, once. */
export class Data {
  /**
   * @param {PageJSON} json
   * @param {ReadPixels} readPixels
   */
  constructor(json, readPixels) {
    this.json = json
    this.kinds = json.kinds
    this.classes = json.classes
    this.photos = json.photos
    this.total = json.total
    this.strongest = json.strongest
    this.controls = new Map(json.controls.map(control => [control.name, control]))
    this.place = new Map(json.classes.map((c, i) => [c.index, i]))
    this.photo = remember((/** @type {number} */ i) => unpackPhoto(json.photos[i], readPixels))
    this.pair = remember((/** @type {string} */ name) => bytes(json.colours[name]))
    /** @type {Float64Array[]} w of each offered class, (K,) */
    this.weights = []
  }

  async prepare() {
    if (!this.weights.length) {
      const rows = this.classes
      const codes = await inflate(this.json.weights)
      this.weights = rowsOf16(
        codes,
        rows.map(c => c.scale),
        rows.map(c => c.offset),
      )
    }
    return this
  }

  /**
   * Where an offered class stands among the offered ones.
   * @param {number} c
   */
  row(c) {
    return /** @type {number} */ (this.place.get(c))
  }

  /** @param {number} c */
  about(c) {
    return this.classes[this.row(c)]
  }
}
