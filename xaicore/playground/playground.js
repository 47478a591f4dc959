// The playground: CAM and SeCAM recomputed in the reader's browser from what the page carries.
// The same equations, letters and choices as the Python package xaicore; tests compare the two.
// Read it from the numbers down: unpacking, the equations, drawing, and last the controls.
(() => {
  "use strict"
  // A page may hold the script several times: the first copy serves all playgrounds.
  if (window.xaicorePlayground) return window.xaicorePlayground.start()
  const page = (window.xaicorePlayground = { data: new Map(), playing: [], start })

  // --- unpacking -----------------------------------------------------------------------------------

  function bytes(base64) {
    const text = atob(base64)
    const out = new Uint8Array(text.length)
    for (let i = 0; i < out.length; i++) out[i] = text.charCodeAt(i)
    return out
  }

  async function inflate(base64) {
    const stream = new Blob([bytes(base64)]).stream().pipeThrough(new DecompressionStream("deflate"))
    return new Uint8Array(await new Response(stream).arrayBuffer())
  }

  const floats = base64 => new Float32Array(bytes(base64).buffer)

  /** What all playgrounds of one data set share; each part is unpacked when first asked for, once. */
  class Data {
    constructor(json) {
      Object.assign(this, json)
      this.place = new Map(this.classes.map((c, i) => [c.index, i]))
      this.photo = remember(i => unpackPhoto(this.photos[i]))
      this.pair = remember(name => bytes(this.colours[name]))
      this.classWeights = remember(c => this.weightsOf(c))
    }

    async prepare() {
      this.codes ??= await inflate(this.weights)
      return this
    }

    /** w of one class, (K,): offset + scale · code, from the high and the low bytes of the codes. */
    weightsOf(c) {
      const n = this.codes.length / 2
      const K = n / this.classes.length
      const { scale, offset } = this.classes[this.place.get(c)]
      const at = this.place.get(c) * K
      const w = new Float64Array(K)
      for (let k = 0; k < K; k++) w[k] = offset + scale * (256 * this.codes[at + k] + this.codes[n + at + k])
      return w
    }

    about(c) {
      return this.classes[this.place.get(c)]
    }
  }

  function remember(make) {
    const known = new Map()
    return key => {
      if (!known.has(key)) known.set(key, make(key))
      return known.get(key)
    }
  }

  async function unpackPhoto(json) {
    const [K, h, w] = json.shape
    const [height, width] = json.size
    const sizes = Object.keys(json.labels)
    const picture = new Image()
    picture.src = "data:image/jpeg;base64," + json.jpeg
    const [codes, ...maps] = await Promise.all([
      inflate(json.features),
      ...sizes.map(n => inflate(json.labels[n])),
      picture.decode(),
    ])
    const canvas = document.createElement("canvas")
    canvas.width = width
    canvas.height = height
    const context = canvas.getContext("2d", { willReadFrequently: true })
    context.drawImage(picture, 0, 0)
    const rgba = context.getImageData(0, 0, width, height).data
    const grey = new Float32Array(width * height)
    for (let i = 0, p = 0; i < grey.length; i++, p += 4) {
      const luma = 0.2125 * rgba[p] + 0.7154 * rgba[p + 1] + 0.0721 * rgba[p + 2]
      grey[i] = 255 * 0.25 + 0.7 * luma // as xaicore.show.overlay
    }
    const scale = floats(json.scale)
    const offset = json.offset ? floats(json.offset) : new Float32Array(K)
    // Most codes of a network with ReLU are 0: keep the others, with their cells, and sums go faster.
    const Z = h * w
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
    const features = { cells, values, begin, scale, offset }
    const labels = {}
    sizes.forEach((n, i) => {
      const label = json.superpixels[n] > 256 ? new Uint16Array(maps[i].buffer) : maps[i]
      labels[n] = describeLabels(label, json.superpixels[n], width)
    })
    return { ...json, K, h, w, Z, height, width, features, F, rgba, grey, labels }
  }

  /**
   * A label map with its pixels in order of their superpixel, each superpixel's size and centre, and the
   * pairs of neighbouring pixels between which a border runs.
   */
  function describeLabels(label, n, width) {
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
    const borders = []
    for (let i = 0, x = 0; i < label.length; i++, x = x + 1 < width ? x + 1 : 0) {
      if (x + 1 < width && label[i] !== label[i + 1]) borders.push(i, i + 1)
      if (i + width < label.length && label[i] !== label[i + width]) borders.push(i, i + width)
    }
    return { label, n, start, pixels, row, column, borders, area: s => start[s + 1] - start[s] }
  }

  // --- the equations -------------------------------------------------------------------------------

  /** M(x,y) = Σ_k w_k f_k(x,y) over the feature maps that are on. */
  function classMap({ K, Z, features }, w, on) {
    const { cells, values, begin, scale, offset } = features
    const M = new Float64Array(Z)
    let everywhere = 0 // what offsets, which only signed feature maps have, add to each cell
    for (let k = 0; k < K; k++) {
      if (on && !on[k]) continue
      const a = w[k] * scale[k]
      everywhere += w[k] * offset[k]
      for (let p = begin[k]; p < begin[k + 1]; p++) M[cells[p]] += a * values[p]
    }
    return everywhere ? M.map(value => value + everywhere) : M
  }

  /** Bilinear, half_pixel: cells tile the picture, and by a whole factor the mean is kept. */
  function upsample(M, { h, w, height, width }, heat) {
    const across = taps(w, width)
    const down = taps(h, height)
    const wide = new Float64Array(h * width)
    for (let y = 0; y < h; y++) {
      for (let x = 0; x < width; x++) {
        const p = y * w + across.first[x]
        wide[y * width + x] = M[p] + (M[p + across.step] - M[p]) * across.share[x]
      }
    }
    for (let y = 0; y < height; y++) {
      const share = down.share[y]
      for (let x = 0, p = down.first[y] * width, q = y * width; x < width; x++, p++, q++) {
        heat[q] = wide[p] + (wide[p + down.step * width] - wide[p]) * share
      }
    }
    return heat
  }

  function taps(cells, pixels) {
    const first = new Int32Array(pixels)
    const share = new Float64Array(pixels)
    for (let i = 0; i < pixels; i++) {
      const at = Math.min(Math.max(((i + 0.5) * cells) / pixels - 0.5, 0), cells - 1)
      first[i] = Math.min(Math.floor(at), Math.max(cells - 2, 0))
      share[i] = at - first[i]
    }
    return { first, share, step: cells > 1 ? 1 : 0 }
  }

  /** SeCAM(s): mean, max or median of the enlarged map over each superpixel. */
  function superpixelScores(heat, { label, n, start, pixels }, statistic) {
    if (statistic === "median") {
      const values = new Float64Array(pixels.length)
      for (let i = 0; i < values.length; i++) values[i] = heat[pixels[i]]
      return Float64Array.from({ length: n }, (_, s) => median(values.subarray(start[s], start[s + 1])))
    }
    const scores = new Float64Array(n)
    if (statistic === "max") {
      scores.fill(-Infinity)
      for (let i = 0; i < heat.length; i++) if (heat[i] > scores[label[i]]) scores[label[i]] = heat[i]
    } else {
      for (let i = 0; i < heat.length; i++) scores[label[i]] += heat[i]
      for (let s = 0; s < n; s++) scores[s] /= start[s + 1] - start[s]
    }
    return scores
  }

  /** By quickselect, in place: sorting all of them would take several times as long. */
  function median(values) {
    const half = values.length >> 1
    let [low, high] = [0, values.length - 1]
    while (low < high) {
      const pivot = values[(low + high) >> 1]
      let [i, j] = [low, high]
      while (i <= j) {
        while (values[i] < pivot) i++
        while (values[j] > pivot) j--
        if (i <= j) {
          const value = values[i]
          values[i++] = values[j]
          values[j--] = value
        }
      }
      if (half <= j) high = j
      else if (half >= i) low = i
      else break
    }
    if (values.length % 2) return values[half]
    let below = -Infinity
    for (let i = 0; i < half; i++) if (values[i] > below) below = values[i]
    return (below + values[half]) / 2
  }

  /** Best first; only superpixels with a positive score are ever chosen. */
  function select(scores, { choose, top, threshold }) {
    const order = [...scores.keys()].sort((a, b) => scores[b] - scores[a]).filter(s => scores[s] > 0)
    if (choose === "top") return order.slice(0, top)
    return order.filter(s => scores[s] >= (threshold / 100) * scores[order[0]])
  }

  // --- words and numbers -----------------------------------------------------------------------------

  function number(value, digits = 2) {
    const text = value.toFixed(digits)
    return Number(text) === 0 ? (0).toFixed(digits) : text.replace("-", "−")
  }

  function percent(share) {
    const value = 100 * share
    if (value > 0 && value < 0.1) return "below 0.1%"
    if (value < 100 && value > 99.9) return "above 99.9%"
    return `${value.toFixed(1).replace("-", "−")}%`
  }

  const counted = new Intl.NumberFormat("en-GB").format

  // --- the state, as links and Python write it ---------------------------------------------------------

  const CHOICES = {
    mode: { cam: "CAM", secam: "SeCAM" },
    view: { heat: "heat", outline: "outline", cutout: "cut-out" },
    statistic: { mean: "mean", max: "maximum", median: "median" },
    choose: { threshold: "by a threshold", top: "the best few" },
    colours: { "red-blue": "red – blue", "orange-purple": "orange – purple", "teal-brown": "teal – brown" },
    sign: { signed: "for and against", positive: "only for" },
  }
  const RANGES = { threshold: [5, 100], top: [1, 20], opacity: [10, 100] }
  const START = {
    rival: null, mode: "cam", keep: null, off: [], statistic: "mean", choose: "threshold", threshold: 50,
    top: 5, view: "heat", colours: "red-blue", opacity: 80, sign: "signed", cells: false,
  }

  function readState(query, data) {
    const given = Object.fromEntries(new URLSearchParams(query))
    const whole = (name, low, high) => {
      const value = Math.round(Number(given[name]))
      return given[name] !== undefined && value >= low && value <= high ? value : undefined
    }
    const state = { ...START, off: [], photo: whole("photo", 0, data.photos.length - 1) ?? 0 }
    const photo = data.photos[state.photo]
    const best = data.classes[photo.scores.indexOf(Math.max(...photo.scores))].index
    state.target = data.place.has(Number(given.target)) && given.target !== "" ? Number(given.target ?? best) : best
    if (given.rival && data.place.has(Number(given.rival))) state.rival = Number(given.rival)
    for (const [name, values] of Object.entries(CHOICES)) if (given[name] in values) state[name] = given[name]
    for (const [name, range] of Object.entries(RANGES)) state[name] = whole(name, ...range) ?? state[name]
    const near = data.segments.reduce((a, b) => (Math.abs(b - 100) < Math.abs(a - 100) ? b : a))
    state.segments = data.segments.includes(Number(given.segments)) ? Number(given.segments) : near
    state.keep = whole("keep", 1, photo.shape[0]) ?? null
    if (given.off) {
      state.off = given.off.split(",").map(Number).filter(k => Number.isInteger(k) && k >= 0 && k < photo.shape[0])
    }
    state.cells = given.cells === "1"
    return state
  }

  function writeState(state) {
    const kept = new URLSearchParams()
    for (const [name, value] of Object.entries(state)) {
      const asAtStart = name in START && String(value) === String(START[name])
      if (value === null || asAtStart) continue
      kept.set(name, value === true ? 1 : value)
    }
    return kept.toString().replaceAll("%2C", ",")
  }

  // --- one playground ----------------------------------------------------------------------------------

  const STRONGEST = 12 // feature maps in the list
  const STOPS = [1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 40, 50, 75, 100, 150, 200, 300, 400, 500, 750, 1000, 1500]
  const YELLOW = [255, 220, 0]

  class Playing {
    constructor(root, data) {
      this.root = root
      this.data = data
      this.initial = root.dataset.state
      this.id = `xai-play-${page.playing.length + 1}`
      const same = page.playing.filter(one => one.data === data).length
      this.name = root.dataset.data + (same ? `-${same + 1}` : "")
      this.at = null // the cell or superpixel under the pointer or the arrow keys
    }

    async begin() {
      await this.data.prepare()
      const linked = stateInAddress(this.name)
      this.state = readState(linked ?? this.initial, this.data)
      this.photo = await this.data.photo(this.state.photo)
      this.build()
      this.render()
      // Unpack the other photographs while nothing else is to be done, so that choosing one is instant.
      const idle = window.requestIdleCallback ?? (call => setTimeout(call, 200))
      this.data.photos.forEach((_, i) => idle(() => this.data.photo(i)))
      if (linked) this.root.scrollIntoView({ block: "start" })
    }

    /** Take over some settings and show what follows from them. */
    change(settings) {
      Object.assign(this.state, settings)
      this.render()
    }

    async restore(query) {
      this.state = readState(query, this.data)
      await this.showPhoto(this.state.photo)
    }

    async choosePhoto(i) {
      // Another photograph has other classes and other strong feature maps: start from its first answer.
      const fresh = readState(`photo=${i}`, this.data)
      Object.assign(this.state, { photo: i, target: fresh.target, rival: null, off: [], keep: null })
      await this.showPhoto(i)
    }

    async showPhoto(i) {
      const photo = await this.data.photo(i)
      if (i !== this.state.photo) return // the reader was faster
      this.photo = photo
      this.at = null
      this.render()
    }

    // --- computing ---

    compute() {
      const { state, photo, data } = this
      const { K, Z, F } = photo
      const a = data.about(state.target)
      const b = state.rival === null ? null : data.about(state.rival)
      let w = data.classWeights(state.target)
      let bias = a.bias
      if (b) {
        const rival = data.classWeights(state.rival)
        w = w.map((value, k) => value - rival[k]) // the map is linear in the weights
        bias -= b.bias
      }
      const contributions = new Float64Array(K)
      for (let k = 0; k < K; k++) contributions[k] = w[k] * F[k]
      const strength = contributions.map(Math.abs)
      const order = [...strength.keys()].sort((i, j) => strength[j] - strength[i])
      const keep = state.keep ?? K
      const on = new Uint8Array(K)
      for (let rank = 0; rank < keep; rank++) on[order[rank]] = 1
      for (const k of state.off) on[k] = 0
      let active = 0
      let score = bias // by the other way: through the averages F_k, not through the map
      for (let k = 0; k < K; k++) {
        if (!on[k]) continue
        active++
        score += contributions[k]
      }
      const complete = active === K
      const map = classMap(photo, w, on)
      this.heat ??= new Float64Array(0)
      if (this.heat.length !== photo.grey.length) this.heat = new Float64Array(photo.grey.length)
      const heat = this.heat
      // The colours keep the scale of the whole map, so that what is switched off is seen to fade.
      upsample(complete ? map : classMap(photo, w, null), photo, heat)
      let limit = 0
      for (let i = 0; i < heat.length; i++) limit = Math.max(limit, Math.abs(heat[i]))
      if (!complete) upsample(map, photo, heat)
      const mean = map.reduce((sum, value) => sum + value) / Z
      const result = { a, b, w, bias, contributions, order, keep, on, active, complete, score, map, heat, mean }
      result.limit = limit || 1
      const probability = this.probabilities(on, complete)
      result.probability = probability(state.target)
      if (b) result.rivalProbability = probability(state.rival)
      if (state.mode === "secam") Object.assign(result, this.regions(heat))
      return result
    }

    /** Softmax: among all classes, or, with feature maps switched off, among those on offer. */
    probabilities(on, complete) {
      const { data, photo } = this
      const { K, F } = photo
      const scores = data.classes.map(one => {
        const w = data.classWeights(one.index)
        let score = one.bias
        for (let k = 0; k < K; k++) if (on[k]) score += w[k] * F[k]
        return score
      })
      const others = complete && photo.others !== null ? [photo.others] : []
      const most = Math.max(...scores, ...others)
      const total = [...scores, ...others].reduce((sum, score) => sum + Math.exp(score - most), 0)
      return c => Math.exp(scores[data.place.get(c)] - most) / total
    }

    regions(heat) {
      const { state, photo } = this
      const cut = photo.labels[state.segments]
      const scores = superpixelScores(heat, cut, state.statistic)
      const chosen = select(scores, state)
      const positive = s => cut.area(s) * Math.max(0, scores[s])
      const total = scores.reduce((sum, _, s) => sum + positive(s), 0)
      const area = chosen.reduce((sum, s) => sum + cut.area(s), 0) / photo.grey.length
      const evidence = total ? chosen.reduce((sum, s) => sum + positive(s), 0) / total : 0
      return { cut, scores, chosen, area, evidence }
    }

    // --- drawing ---

    render() {
      this.result = this.compute()
      this.draw()
      this.mark()
      this.tell()
    }

    /** The value at each pixel that the picture shows in colour. */
    shown() {
      const { state, photo, result } = this
      if (state.mode === "cam" && !state.cells) return result.heat
      const { w, h, width, height } = photo
      const values = new Float64Array(width * height)
      for (let i = 0; i < values.length; i++) {
        if (state.mode === "secam") {
          values[i] = result.scores[result.cut.label[i]]
        } else {
          const row = Math.floor((Math.floor(i / width) * h) / height)
          values[i] = result.map[row * w + Math.floor(((i % width) * w) / width)]
        }
      }
      return values
    }

    /** Colour to lay over the photograph for values from −limit to limit, and what stays of the grey. */
    paints(levels) {
      const { state, data } = this
      const pair = data.pair(state.colours)
      const colours = [0, 1, 2].map(() => new Float32Array(levels))
      const rest = new Float32Array(levels)
      for (let level = 0; level < levels; level++) {
        let v = (2 * level) / (levels - 1) - 1
        if (state.sign === "positive" && v < 0) v = 0
        const start = v < 0 ? 0 : 3
        const alpha = (state.opacity / 100) * Math.abs(v) // colour fades with the value
        for (let c = 0; c < 3; c++) colours[c][level] = alpha * pair[start + c]
        rest[level] = 1 - alpha
      }
      return [...colours, rest]
    }

    draw() {
      const { state, photo, result } = this
      const { width, height, rgba, grey } = photo
      const picture = new ImageData(width, height)
      const out = picture.data
      if (state.mode === "secam" && state.view !== "heat") {
        const chosen = new Uint8Array(result.cut.n)
        for (const s of result.chosen) chosen[s] = 1
        out.set(rgba)
        if (state.view === "outline") this.drawBorders(out, chosen, YELLOW, 1)
        else {
          for (let i = 0, p = 0; i < grey.length; i++, p += 4) {
            if (chosen[result.cut.label[i]]) continue
            for (let c = p; c < p + 3; c++) out[c] = 0.15 * rgba[c] + 0.85 * 235
          }
        }
      } else {
        const values = this.shown()
        const levels = 2047
        const [red, green, blue, rest] = this.paints(levels)
        const half = (levels - 1) / 2
        for (let i = 0, p = 0; i < grey.length; i++, p += 4) {
          const level = Math.round(half + half * Math.min(Math.max(values[i] / result.limit, -1), 1))
          const base = rest[level] * grey[i]
          out[p] = red[level] + base
          out[p + 1] = green[level] + base
          out[p + 2] = blue[level] + base
          out[p + 3] = 255
        }
        if (state.mode === "secam") this.drawBorders(out, null, [255, 255, 255], 0)
      }
      const canvas = this.parts.canvas
      if (canvas.width !== width || canvas.height !== height) {
        for (const one of [canvas, this.parts.marks]) {
          one.width = width
          one.height = height
        }
      }
      canvas.getContext("2d").putImageData(picture, 0, 0)
      this.drawBar(this.parts.bar)
    }

    /** Where a chosen superpixel (or any, if null) meets another one; `more` pixels thicker on each side. */
    drawBorders(out, chosen, colour, more) {
      const { label, borders } = this.result.cut
      const paint = i => {
        if (i < 0 || i >= label.length) return
        for (let c = 0; c < 3; c++) out[4 * i + c] = colour[c]
      }
      for (let p = 0; p < borders.length; p += 2) {
        const [i, j] = [borders[p], borders[p + 1]]
        if (chosen && !chosen[label[i]] && !chosen[label[j]]) continue
        paint(i)
        for (let step = 1; step <= more; step++) {
          paint(i - step * (j - i))
          paint(i + step * (j - i))
        }
      }
    }

    drawBar(canvas) {
      const context = canvas.getContext("2d")
      const [red, green, blue, rest] = this.paints(2 * canvas.width - 1)
      const from = this.state.sign === "positive" ? canvas.width - 1 : 0
      for (let x = 0; x < canvas.width; x++) {
        const level = from ? from + x : 2 * x
        const [r, g, b] = [red, green, blue].map(one => Math.round(one[level] + rest[level] * 200)) // over mid-grey
        context.fillStyle = `rgb(${r},${g},${b})`
        context.fillRect(x, 0, 1, canvas.height)
      }
    }

    /** Frame the cell or superpixel that is pointed at. */
    mark() {
      const { width, height, w, h } = this.photo
      const context = this.parts.marks.getContext("2d")
      context.clearRect(0, 0, width, height)
      if (this.at === null) return
      if (this.state.mode === "cam") {
        const [cellWidth, cellHeight] = [width / w, height / h]
        const box = [(this.at % w) * cellWidth, Math.floor(this.at / w) * cellHeight, cellWidth, cellHeight]
        for (const [line, colour] of [[6, "#000"], [3, "#fff"]]) {
          context.lineWidth = line
          context.strokeStyle = colour
          context.strokeRect(...box)
        }
        return
      }
      const { label, start, pixels } = this.result.cut
      for (const [size, colour] of [[7, "#000"], [3, "#fff"]]) {
        context.fillStyle = colour
        for (let p = start[this.at]; p < start[this.at + 1]; p++) {
          const i = pixels[p]
          const x = i % width
          const inside = x > 0 && x + 1 < width && i >= width && i + width < label.length &&
            label[i - 1] === this.at && label[i + 1] === this.at &&
            label[i - width] === this.at && label[i + width] === this.at
          if (!inside) context.fillRect(x - (size >> 1), Math.floor(i / width) - (size >> 1), size, size)
        }
      }
    }

    // --- telling in words ---

    title() {
      const { a, b } = this.result
      return b ? `${a.name} minus ${b.name}` : a.name
    }

    tell() {
      const { state, data, photo, result, parts } = this
      const { a, b } = result
      const on = result.complete ? "" : `, with ${counted(result.active)} of ${counted(photo.K)} feature maps`
      const among = result.complete ? `among all ${counted(data.total)} classes` : `among the ${data.classes.length} offered classes`

      // The three numbers are rounded so that the line also agrees digit for digit.
      const bias = Number(result.bias.toFixed(3))
      const score = Number(result.score.toFixed(3))
      const agrees = Math.abs(result.mean + result.bias - result.score) < 1e-6
      parts.mean.textContent = number(agrees ? score - bias : result.mean, 3)
      parts.plus.textContent = bias < 0 ? "−" : "+"
      parts.bias.textContent = number(Math.abs(bias), 3)
      parts.score.textContent = number(score, 3)
      parts.meanName.textContent = b ? "mean of the difference map" : "mean of the map"
      parts.biasName.textContent = b ? "difference of the biases" : "bias"
      parts.scoreName.textContent = b ? "difference of the scores" : "score"
      parts.probability.textContent = b
        ? `${a.name} ${percent(result.probability)}, ${b.name} ${percent(result.rivalProbability)} ${among}${on}: ` +
          `${a.name} is e^${number(result.score)} = ${Math.exp(result.score).toPrecision(3)} times as probable.`
        : `Probability ${percent(result.probability)} ${among}${on}.`
      parts.exact.textContent = this.exactness()

      const { limit } = result
      const digits = limit < 10 ? 1 : 0
      const low = state.sign === "positive" ? 0 : -limit
      parts.ticks.replaceChildren(
        ...[low, (low + limit) / 2, limit].map(v => element("span", {}, number(v, digits)))
      )
      const against = [...result.map].filter(v => v < 0).length
      parts.unit.textContent =
        `evidence for ${this.title()}, in units of the score` +
        (state.sign === "positive" ? `. Hidden: ${against} of ${photo.Z} cells speak against it` : "")

      parts.regions.textContent = ""
      if (state.mode === "secam") {
        const { chosen, area, evidence, cut } = result
        parts.regions.textContent =
          `${counted(cut.n)} superpixels. Chosen: ${chosen.length}, which keep ${percent(area)} of the picture ` +
          `and ${percent(evidence)} of the positive evidence.`
      }
      this.readOut()
      this.showControls()
      this.announce()
    }

    /** What storing 8 bits costs, bounded in Python, and here compared with the network's own score. */
    exactness() {
      const { state, data, photo, result } = this
      const i = data.place.get(state.target)
      const j = state.rival === null ? null : data.place.get(state.rival)
      const bound = photo.score_bound[i] + (j === null ? 0 : photo.score_bound[j])
      const atMost = `8-bit error of this ${j === null ? "score" : "difference"}: at most ${bound.toPrecision(2)}`
      if (!result.complete) return `${atMost}.`
      const exact = photo.scores[i] - (j === null ? 0 : photo.scores[j])
      return `${atMost}, in fact ${Math.abs(result.score - exact).toPrecision(2)}.`
    }

    /** Value and share of the place that is pointed at. */
    place() {
      const { state, photo, result, at } = this
      if (at === null) return ""
      const adds = (value, part) => {
        const sum = value * part
        const share = result.score > 0 ? `, ${percent(sum / result.score)} of it` : ""
        const whole = result.b ? "difference" : "score"
        return `; adds ${number(sum)} to the ${whole} of ${number(result.score)}${share}`
      }
      if (state.mode === "cam") {
        const value = result.map[at]
        const cell = `Row ${Math.floor(at / photo.w) + 1}, column ${(at % photo.w) + 1}`
        return `${cell}: ${number(value)}${adds(value, 1 / photo.Z)}.`
      }
      const value = result.scores[at]
      const area = result.cut.area(at) / photo.grey.length
      const chosen = result.chosen.includes(at) ? "chosen" : "not chosen"
      const parts = state.statistic === "mean" ? adds(value, area) : ""
      return `Superpixel ${at} (${chosen}): ${number(value)}, ${percent(area)} of the picture${parts}.`
    }

    readOut() {
      this.parts.readout.textContent =
        this.place() ||
        `Point at the picture, or go to it with Tab and use the arrow keys: each ${
          this.state.mode === "cam" ? "cell" : "superpixel"
        } tells its value and its share.`
    }

    /** For screen readers: one sentence, once the reader has come to rest. */
    announce() {
      clearTimeout(this.waiting)
      this.waiting = setTimeout(() => {
        this.parts.live.textContent = this.summary()
      }, 400)
    }

    summary() {
      const { state, data, photo, result, parts } = this
      const best = result.map.indexOf(Math.max(...result.map))
      const where = `row ${Math.floor(best / photo.w) + 1}, column ${(best % photo.w) + 1}`
      const kind = CHOICES.mode[state.mode]
      return (
        `${kind} of ${this.title()} on ${data.photos[state.photo].name}. ` +
        `${result.b ? "Difference of the scores" : "Score"} ${number(result.score)}. ${parts.probability.textContent} ` +
        `Strongest cell: ${where}. ${parts.regions.textContent} ${this.place()}`
      )
    }

    // --- controls ---

    build() {
      const { root, id, data } = this
      root.replaceChildren()
      root.dataset.lmSuppressShortcuts = "true" // arrow keys here are ours, not JupyterLab's
      root.insertAdjacentHTML("beforeend", SCAFFOLD.replaceAll("{id}", id))
      this.parts = {}
      for (const one of root.querySelectorAll("[data-part]")) this.parts[one.dataset.part] = one
      const parts = this.parts

      parts.photos.append(
        ...data.photos.map((photo, i) => {
          const radio = element("input", { type: "radio", name: `${id}-photo`, value: i })
          const picture = element("img", {
            class: "dark-light", alt: "", src: "data:image/jpeg;base64," + photo.jpeg,
          })
          return element("label", { title: photo.name }, radio, picture, element("span", {}, photo.name))
        })
      )
      parts.photos.addEventListener("change", event => this.choosePhoto(Number(event.target.value)))

      this.pickers = [
        new Picker(parts.class, {
          label: "Class", id: `${id}-class`, options: () => this.classOptions(false),
          current: () => this.state.target, choose: c => this.change({ target: c, rival: c === this.state.rival ? null : this.state.rival }),
        }),
        new Picker(parts.versus, {
          label: "Compare with", id: `${id}-versus`, options: () => this.classOptions(true),
          current: () => this.state.rival, choose: c => this.change({ rival: c }),
        }),
      ]

      for (const name of Object.keys(CHOICES)) this.radios(parts[name], name, CHOICES[name])
      this.radios(parts.segments, "segments", Object.fromEntries(data.segments.map(n => [n, n])), Number)

      for (const name of ["threshold", "top", "opacity"]) {
        parts[name].addEventListener("input", () => this.change({ [name]: Number(parts[name].value) }))
      }
      parts.cells.addEventListener("change", () => this.change({ cells: parts.cells.checked }))
      parts.keep.addEventListener("input", () => {
        const stops = this.stops()
        const keep = stops[Number(parts.keep.value)]
        this.change({ keep: keep === this.photo.K ? null : keep })
      })
      parts.maps.addEventListener("change", event => {
        const k = Number(event.target.value)
        const off = this.state.off.filter(one => one !== k)
        this.change({ off: event.target.checked ? off : [...off, k].sort((i, j) => i - j) })
      })
      parts.allOn.addEventListener("click", () => this.change({ off: [], keep: null }))

      parts.copy.addEventListener("click", () => this.copyLink())
      parts.save.addEventListener("click", () => this.save())
      parts.reset.addEventListener("click", () => this.restore(this.initial))
      parts.link.addEventListener("focus", () => parts.link.select())
      parts.link.addEventListener("keydown", event => {
        if (event.key !== "Enter") return
        const query = parts.link.value.replace(/^[^#]*#/, "").replace(/^play=[^&]*&/, "")
        this.restore(query)
      })
      this.pointing()
    }

    radios(host, name, values, read = value => value) {
      host.append(
        ...Object.entries(values).map(([value, text]) => {
          const radio = element("input", { type: "radio", name: `${this.id}-${name}`, value })
          radio.addEventListener("change", () => {
            this.at = null
            this.change({ [name]: read(value) })
          })
          return element("label", {}, radio, element("span", {}, String(text)))
        })
      )
    }

    classOptions(rivals) {
      const { data, photo, state } = this
      const most = Math.max(...photo.scores, photo.others ?? -Infinity)
      const total = [...photo.scores, photo.others ?? -Infinity].reduce((sum, s) => sum + Math.exp(s - most), 0)
      const options = data.classes.map((c, i) => ({
        value: c.index, name: c.name, score: photo.scores[i],
        note: percent(Math.exp(photo.scores[i] - most) / total),
      }))
      options.sort((a, b) => b.score - a.score)
      if (!rivals) return options
      return [{ value: null, name: "no second class", note: "" }, ...options.filter(o => o.value !== state.target)]
    }

    stops() {
      return [...STOPS.filter(n => n < this.photo.K), this.photo.K]
    }

    /** Bring every control to the state, whatever changed it. */
    showControls() {
      const { state, parts, photo, result } = this
      const check = (host, value) => {
        for (const radio of host.querySelectorAll("input")) radio.checked = radio.value === String(value)
      }
      check(parts.photos, state.photo)
      for (const name of Object.keys(CHOICES)) check(parts[name], state[name])
      check(parts.segments, state.segments)
      for (const picker of this.pickers) picker.show()
      for (const name of ["threshold", "top", "opacity"]) parts[name].value = state[name]
      parts.thresholdValue.textContent = `${state.threshold}% of the best score`
      parts.topValue.textContent = `the best ${state.top}`
      parts.opacityValue.textContent = `${state.opacity}%`
      parts.byThreshold.hidden = state.choose !== "threshold"
      parts.byTop.hidden = state.choose !== "top"
      parts.cells.checked = state.cells
      const secam = state.mode === "secam"
      parts.secam.hidden = !secam
      parts.regions.hidden = !secam
      parts.cellsLine.hidden = secam
      parts.barBox.classList.toggle("xp-pale", secam && state.view !== "heat")

      const stops = this.stops()
      parts.keep.max = stops.length - 1
      const nearest = stops.reduce((best, n, i) => (Math.abs(n - result.keep) < Math.abs(stops[best] - result.keep) ? i : best), 0)
      parts.keep.value = nearest
      const kept = state.keep === null ? `all ${counted(photo.K)}` : `the ${counted(state.keep)} strongest`
      parts.keepValue.textContent = kept
      parts.keep.setAttribute("aria-valuetext", kept)
      this.showMaps()

      const what = secam ? "superpixel to superpixel" : "cell to cell"
      parts.canvas.setAttribute(
        "aria-label",
        `${CHOICES.mode[state.mode]} of ${this.title()} over the photograph ${photo.name}. Arrow keys go from ${what}.`
      )
      parts.link.value = this.link()
    }

    /** The strongest feature maps of this score, and those that are off, each with a box to switch it. */
    showMaps() {
      const { state, parts, result } = this
      const { order, contributions, on, keep } = result
      const rank = new Map(order.slice(0, keep).map((k, i) => [k, i]))
      const listed = order.slice(0, STRONGEST)
      listed.push(...state.off.filter(k => !listed.includes(k)))
      const most = Math.abs(contributions[order[0]]) || 1
      const focused = document.activeElement?.closest?.(`#${this.id}-maps`) && document.activeElement.value
      parts.maps.replaceChildren(
        ...listed.map(k => {
          const box = element("input", { type: "checkbox", value: k })
          box.checked = Boolean(on[k])
          box.disabled = !rank.has(k)
          const c = contributions[k]
          const bar = element("i", { class: c < 0 ? "xp-less" : "xp-more" })
          bar.style.width = `${(100 * Math.abs(c)) / most}%`
          return element(
            "li", {},
            element("label", {}, box, element("span", {}, `map ${k}`), element("b", {}, (c < 0 ? "" : "+") + number(c))),
            element("span", { class: "xp-track", "aria-hidden": "true" }, bar)
          )
        })
      )
      if (focused) parts.maps.querySelector(`[value="${focused}"]`)?.focus()
      parts.allOn.disabled = result.complete
      parts.offCount.textContent = result.complete
        ? "All feature maps are on."
        : `${counted(result.active)} of ${counted(order.length)} feature maps are on. The colours keep the scale of the whole map.`
    }

    // --- pointing ---

    pointing() {
      const { canvas } = this.parts
      const point = event => {
        const box = canvas.getBoundingClientRect()
        const { width, height, w, h } = this.photo
        const x = (event.clientX - box.left) / box.width
        const y = (event.clientY - box.top) / box.height
        if (x < 0 || y < 0 || x >= 1 || y >= 1) return
        if (this.state.mode === "cam") this.goTo(Math.floor(y * h) * w + Math.floor(x * w))
        else this.goTo(this.result.cut.label[Math.floor(y * height) * width + Math.floor(x * width)])
      }
      canvas.addEventListener("pointermove", point)
      canvas.addEventListener("pointerdown", point)
      canvas.addEventListener("pointerleave", event => {
        if (event.pointerType === "mouse" && document.activeElement !== canvas) this.goTo(null)
      })
      canvas.addEventListener("keydown", event => {
        const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key]
        const { map, scores } = this.result
        const values = this.state.mode === "cam" ? map : scores
        if (step) this.goTo(this.neighbour(...step))
        else if (event.key === "Home") this.goTo(values.indexOf(Math.max(...values)))
        else if (event.key === "End") this.goTo(values.indexOf(Math.min(...values)))
        else if (event.key === "Escape") this.goTo(null)
        else return
        event.preventDefault()
      })
    }

    goTo(at) {
      if (at === this.at) return
      this.at = at
      this.mark()
      this.readOut()
      this.announce()
    }

    /** The next cell in a direction, or the superpixel whose centre is nearest within 45° of it. */
    neighbour(dx, dy) {
      const { h, w } = this.photo
      if (this.state.mode === "cam") {
        if (this.at === null) return Math.floor(h / 2) * w + Math.floor(w / 2)
        const x = Math.min(Math.max((this.at % w) + dx, 0), w - 1)
        const y = Math.min(Math.max(Math.floor(this.at / w) + dy, 0), h - 1)
        return y * w + x
      }
      const { n, row, column } = this.result.cut
      if (this.at === null) return this.result.scores.indexOf(Math.max(...this.result.scores))
      let best = this.at
      let nearest = Infinity
      for (let s = 0; s < n; s++) {
        const [x, y] = [column[s] - column[this.at], row[s] - row[this.at]]
        const ahead = x * dx + y * dy
        const aside = Math.abs(x * dy) + Math.abs(y * dx)
        const distance = Math.hypot(x, y)
        if (ahead > 0 && aside <= ahead && distance < nearest) [best, nearest] = [s, distance]
      }
      return best
    }

    // --- keeping and sharing ---

    /** The page's address with the state. Inside a frame (Colab, VS Code) only the state: see `state=`. */
    link() {
      const query = writeState(this.state)
      if (window !== window.top || !/^(https?|file):/.test(location.href)) return query
      return `${location.href.replace(/#.*$/, "")}#play=${this.name}&${query}`
    }

    async copyLink() {
      const { link, copy } = this.parts
      link.value = this.link()
      this.root.querySelector(".xp-share").open = true
      if (link.value.includes("#")) history.replaceState(history.state, "", link.value)
      link.select()
      let copied = false
      try {
        await navigator.clipboard.writeText(link.value)
        copied = true
      } catch {
        copied = document.execCommand("copy")
      }
      copy.textContent = copied ? "Link copied" : "Copy it from the field below"
      setTimeout(() => (copy.textContent = "Copy link"), 2000)
    }

    /** The picture with its title and colour bar, as a PNG. */
    save() {
      const { canvas, bar } = this.parts
      const { limit, score } = this.result
      const out = element("canvas", { width: canvas.width, height: canvas.height + 96 })
      const context = out.getContext("2d")
      const { width, height } = out
      context.fillStyle = "#fff"
      context.fillRect(0, 0, width, height)
      context.fillStyle = "#111"
      context.font = "600 16px sans-serif"
      const word = this.result.b ? "difference" : "score"
      context.fillText(`${CHOICES.mode[this.state.mode]}: ${this.title()}, ${word} ${number(score)}`, 8, 24, width - 16)
      context.drawImage(canvas, 0, 36)
      context.drawImage(bar, 8, height - 50, width - 16, 14)
      context.font = "13px sans-serif"
      const low = this.state.sign === "positive" ? 0 : -limit
      const labels = [[low, "left", 8], [(low + limit) / 2, "center", width / 2], [limit, "right", width - 8]]
      for (const [value, align, x] of labels) {
        context.textAlign = align
        context.fillText(number(value, limit < 10 ? 1 : 0), x, height - 20)
      }
      context.textAlign = "center"
      context.fillText("evidence, in units of the score", width / 2, height - 4)
      out.toBlob(blob => {
        const name = `${this.state.mode}-${this.title()}`.toLowerCase().replace(/[^a-z0-9]+/g, "-")
        const anchor = element("a", { href: URL.createObjectURL(blob), download: `${name}.png` })
        anchor.click()
        setTimeout(() => URL.revokeObjectURL(anchor.href), 10_000)
      }, "image/png")
    }
  }

  // --- a list of classes that typing filters (the combobox pattern of ARIA 1.2) ---------------------------

  class Picker {
    constructor(host, { label, id, options, current, choose }) {
      Object.assign(this, { id, options, current, choose, active: -1 })
      this.input = element("input", {
        id, type: "text", role: "combobox", autocomplete: "off", spellcheck: "false",
        "aria-expanded": "false", "aria-controls": `${id}-list`, "aria-autocomplete": "list",
      })
      this.list = element("ul", { id: `${id}-list`, role: "listbox", "aria-label": label, hidden: "" })
      host.append(element("label", { for: id }, label), element("div", { class: "xp-combo" }, this.input, this.list))
      const { input, list } = this
      input.addEventListener("focus", () => input.select())
      input.addEventListener("click", () => this.open(""))
      input.addEventListener("input", () => this.open(input.value))
      input.addEventListener("blur", () => this.close())
      input.addEventListener("keydown", event => this.key(event))
      // pointerdown would take the focus from the field and close the list before the click arrives
      list.addEventListener("pointerdown", event => event.preventDefault())
      list.addEventListener("click", event => {
        const option = event.target.closest("[role=option]")
        if (option) this.take(Number(option.dataset.at))
      })
    }

    show() {
      const value = this.current()
      const chosen = this.options().find(option => option.value === value)
      if (document.activeElement !== this.input || this.list.hidden) this.input.value = chosen?.name ?? ""
    }

    open(typed) {
      const wanted = typed.trim().toLowerCase()
      this.found = this.options().filter(option => option.name.toLowerCase().includes(wanted))
      const value = this.current()
      this.list.replaceChildren(
        ...this.found.map((option, i) =>
          element(
            "li",
            { id: `${this.id}-${i}`, role: "option", "data-at": i, "aria-selected": String(option.value === value) },
            element("span", {}, option.name),
            element("small", {}, option.note)
          )
        )
      )
      if (!this.found.length) {
        this.list.append(element("li", { role: "option", "aria-disabled": "true", "aria-selected": "false" }, "None of the offered classes"))
      }
      this.list.hidden = false
      this.input.setAttribute("aria-expanded", "true")
      const at = this.found.findIndex(option => option.value === value)
      this.activate(wanted ? (this.found.length ? 0 : -1) : at)
    }

    activate(i) {
      this.list.querySelector(".xp-active")?.classList.remove("xp-active")
      this.active = i
      const option = i >= 0 ? this.list.children[i] : null
      if (!option) return this.input.removeAttribute("aria-activedescendant")
      option.classList.add("xp-active")
      this.input.setAttribute("aria-activedescendant", option.id)
      // not scrollIntoView: that would scroll the page as well
      const { list } = this
      list.scrollTop = Math.min(Math.max(list.scrollTop, option.offsetTop + option.offsetHeight - list.clientHeight), option.offsetTop)
    }

    key(event) {
      const last = (this.found?.length ?? 0) - 1
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        if (this.list.hidden) this.open("")
        else if (event.key === "ArrowDown") this.activate(this.active < last ? this.active + 1 : 0)
        else this.activate(this.active > 0 ? this.active - 1 : last)
      } else if (event.key === "Enter" && !this.list.hidden) {
        if (this.active >= 0) this.take(this.active)
      } else if (event.key === "Escape" && !this.list.hidden) {
        this.close()
      } else return
      event.preventDefault()
      event.stopPropagation() // Jupyter listens to Enter and Escape as well
    }

    take(i) {
      const option = this.found?.[i]
      if (!option) return
      this.close()
      this.choose(option.value)
      this.input.select()
    }

    close() {
      this.list.hidden = true
      this.input.setAttribute("aria-expanded", "false")
      this.input.removeAttribute("aria-activedescendant")
      this.show()
    }
  }

  function element(tag, attributes = {}, ...children) {
    const out = document.createElement(tag)
    for (const [name, value] of Object.entries(attributes)) out.setAttribute(name, value)
    out.append(...children)
    return out
  }

  const SCAFFOLD = `
    <div class="xp-body" id="{id}" role="group" aria-label="Playground">
      <fieldset class="xp-photos" data-part="photos"><legend>Photograph</legend></fieldset>
      <div class="xp-stage">
        <div class="xp-canvas">
          <canvas data-part="canvas" tabindex="0" role="application" aria-describedby="{id}-readout"></canvas>
          <canvas data-part="marks" aria-hidden="true"></canvas>
        </div>
        <div class="xp-bar" data-part="barBox">
          <canvas data-part="bar" width="320" height="12" aria-hidden="true"></canvas>
          <div class="xp-ticks" data-part="ticks"></div>
          <div class="xp-unit" data-part="unit"></div>
        </div>
        <p class="xp-readout" id="{id}-readout" data-part="readout"></p>
      </div>
      <div class="xp-side">
        <div class="xp-field" data-part="class"></div>
        <div class="xp-sum">
          <div><b data-part="mean"></b><span data-part="meanName"></span></div><i data-part="plus"></i>
          <div><b data-part="bias"></b><span data-part="biasName"></span></div><i>=</i>
          <div class="xp-score"><b data-part="score"></b><span data-part="scoreName"></span></div>
        </div>
        <p data-part="probability"></p>
        <p class="xp-fine" data-part="exact"></p>
        <fieldset class="xp-switch xp-mode"><legend>Map</legend><div data-part="mode"></div></fieldset>
        <p data-part="regions"></p>
        <div class="xp-secam" data-part="secam">
          <fieldset class="xp-switch"><legend>Show</legend><div data-part="view"></div></fieldset>
          <details>
            <summary>Superpixels and choice</summary>
            <fieldset class="xp-switch"><legend>Superpixels asked of SLIC</legend><div data-part="segments"></div></fieldset>
            <fieldset class="xp-switch"><legend>Value of a superpixel</legend><div data-part="statistic"></div></fieldset>
            <fieldset class="xp-switch"><legend>Choose superpixels</legend><div data-part="choose"></div></fieldset>
            <div class="xp-range" data-part="byThreshold">
              <label for="{id}-threshold">From this score up</label><output for="{id}-threshold" data-part="thresholdValue"></output>
              <input type="range" id="{id}-threshold" min="5" max="100" step="5" data-part="threshold">
            </div>
            <div class="xp-range" data-part="byTop">
              <label for="{id}-top">How many</label><output for="{id}-top" data-part="topValue"></output>
              <input type="range" id="{id}-top" min="1" max="20" data-part="top">
            </div>
          </details>
        </div>
        <details>
          <summary>Compare with a second class</summary>
          <div class="xp-field" data-part="versus"></div>
          <p class="xp-fine">The map becomes the difference of the two: where the picture says the one class and not the other.</p>
        </details>
        <details>
          <summary>Switch feature maps off</summary>
          <div class="xp-range">
            <label for="{id}-keep">Keep only</label><output for="{id}-keep" data-part="keepValue"></output>
            <input type="range" id="{id}-keep" min="0" step="1" data-part="keep">
          </div>
          <p class="xp-fine">Strongest by what they add to this score (w·F):</p>
          <ul class="xp-maps" id="{id}-maps" data-part="maps"></ul>
          <p class="xp-fine" data-part="offCount"></p>
          <button type="button" data-part="allOn">Switch all on</button>
        </details>
        <details>
          <summary>Colours</summary>
          <fieldset class="xp-switch"><legend>Colours for and against</legend><div data-part="colours"></div></fieldset>
          <fieldset class="xp-switch"><legend>Evidence shown</legend><div data-part="sign"></div></fieldset>
          <div class="xp-range">
            <label for="{id}-opacity">Opacity</label><output for="{id}-opacity" data-part="opacityValue"></output>
            <input type="range" id="{id}-opacity" min="10" max="100" step="5" data-part="opacity">
          </div>
          <label class="xp-check" data-part="cellsLine"><input type="checkbox" data-part="cells"><span>Show the cells as they are, not smoothed</span></label>
        </details>
        <div class="xp-buttons">
          <button type="button" data-part="copy">Copy link</button>
          <button type="button" data-part="save">Save picture</button>
          <button type="button" data-part="reset">Reset</button>
        </div>
        <details class="xp-share">
          <summary>Link to what you see</summary>
          <label class="xp-fine" for="{id}-link">Paste a link here and press Enter to go back to what it shows.</label>
          <input type="text" id="{id}-link" data-part="link" spellcheck="false" autocomplete="off">
        </details>
      </div>
      <div class="xp-live" aria-live="polite" data-part="live"></div>
    </div>`

  // --- starting ------------------------------------------------------------------------------------------

  function stateInAddress(name) {
    const [, wanted, query] = location.hash.match(/^#play=([^&]*)&(.*)$/) ?? []
    return wanted === name ? query : null
  }

  /** Start every playground on the page that isn't running and whose data is there. */
  function start() {
    for (const script of document.querySelectorAll("script.xai-play-data[data-key]")) {
      const { key } = script.dataset
      if (!page.data.has(key)) page.data.set(key, new Data(JSON.parse(script.textContent)))
    }
    for (const root of document.querySelectorAll(".xai-play:not([data-started])")) {
      const data = page.data.get(root.dataset.data)
      if (!data) continue // its data stand in an output that the page doesn't show: the picture stays
      root.dataset.started = "yes"
      const playing = new Playing(root, data)
      page.playing.push(playing)
      root.playground = playing // for tests, and for a curious reader's console
      playing.begin().catch(error => {
        root.append(element("p", {}, `The playground can't start in this browser (${error.message}). A current browser can.`))
      })
    }
    for (const button of document.querySelectorAll(".xai-play-go:not([data-started])")) {
      const playing = page.playing.find(one => one.root.isConnected && one.root.dataset.data === button.dataset.data)
      if (!playing) continue
      button.dataset.started = "yes"
      button.hidden = false
      button.addEventListener("click", async () => {
        await playing.restore(button.dataset.state)
        playing.root.scrollIntoView({ block: "start", behavior: "smooth" })
        playing.parts.canvas.focus({ preventScroll: true })
      })
    }
  }

  window.addEventListener("hashchange", () => {
    for (const playing of page.playing) {
      const query = stateInAddress(playing.name)
      if (query && playing.parts) playing.restore(query).then(() => playing.root.scrollIntoView({ block: "start" }))
    }
  })

  start()
})()
