// One playground: its state, what follows from it, and everything on the page that shows it.

import { compute } from "./compute.js"
import {
  allowKinds,
  checkbox,
  classOptions,
  keepSlider,
  radios,
  rivalOptions,
  showMaps,
  slider,
} from "./controls.js"
import { address, contextOf, element } from "./dom.js"
import { colourBar, picture } from "./draw.js"
import { Picker } from "./picker.js"
import { frame, listen } from "./pointing.js"
import { scaffold } from "./scaffold.js"
import { copyText, saveAs, sheet } from "./sharing.js"
import { changed, hindrance, NEEDS_ALL_MAPS, readLink, startOf, writeLink } from "./state.js"
import {
  counted,
  exactnessLine,
  missingKinds,
  probabilityLine,
  readoutLine,
  regionsLine,
  sumLine,
  summary,
  tickLabels,
  title,
  unitLine,
} from "./words.js"

/** @import { Control, Data, Photo } from "./unpack.js" */
/** @import { Result } from "./compute.js" */
/** @import { Shown } from "./controls.js" */
/** @import { State } from "./state.js" */

const LATER = /** @type {any} */ (undefined) // what begin() makes, once the data are unpacked
const PLACES_CHANGE_WITH = ["photo", "kind", "regions", "segments"]

export class Playing {
  /**
   * @param {HTMLElement} root
   * @param {Data} data
   * @param {{ id: string, name: string }} names id: unique on the page; name: what links call it
   */
  constructor(root, data, { id, name }) {
    this.root = root
    this.data = data
    this.id = id
    this.name = name
    this.initial = root.dataset.state ?? ""
    /** @type {State} */
    this.state = startOf(data, 0)
    /** @type {string[]} what a link asked for in vain */
    this.refused = []
    /** @type {number | null} the cell or superpixel under the pointer or the arrow keys */
    this.at = null
    /** @type {Shown[]} */
    this.inputs = []
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.waiting = undefined
    /** @type {Photo} */
    this.photo = LATER
    /** @type {Float64Array} for the heat, kept from picture to picture */
    this.space = new Float64Array(0)
    /** @type {Result} */
    this.result = LATER
    /** @type {Record<"canvas" | "marks" | "bar", HTMLCanvasElement>} */
    this.canvases = LATER
    /** @type {HTMLInputElement} */
    this.linkField = LATER
  }

  /** @param {string | null} linked the state that the page's address asks for */
  async begin(linked) {
    await this.data.prepare()
    const { state, refused } = readLink(this.data, linked ?? this.initial)
    this.state = state
    this.refused = refused
    this.photo = await this.data.photo(state.photo)
    this.build()
    this.render()
    // Unpack the other photographs while nothing else is to be done, so that choosing one is instant.
    const idle = window.requestIdleCallback ?? (call => setTimeout(call, 200))
    for (const i of this.data.photos.keys()) idle(() => void this.data.photo(i))
    if (linked !== null) this.root.scrollIntoView({ block: "start" })
  }

  get view() {
    const { data, photo, state, result, at } = this
    return { data, photo, state, result, at }
  }

  /**
   * Take over some settings and show what follows from them; an error where the controls have no such state.
   * @param {Partial<State>} settings all but `photo`, see choosePhoto()
   */
  change(settings) {
    this.state = changed(this.data, this.state, settings)
    this.refused = []
    if (PLACES_CHANGE_WITH.some(name => name in settings)) this.at = null
    this.render()
  }

  /** @param {string} query as a link writes it */
  async restore(query) {
    const { state, refused } = readLink(this.data, query)
    this.state = state
    this.refused = refused
    await this.showPhoto()
  }

  /**
   * Another photograph has other classes and other strong feature maps: start from its first answer.
   * @param {number} photo
   */
  async choosePhoto(photo) {
    const { target, against, keep, off, kind: usual } = startOf(this.data, photo)
    const fresh = { photo, target, keep, off }
    const kind = hindrance(this.data, fresh, this.state.kind) ? usual : this.state.kind
    const group = typeof this.state.against === "number" ? against : this.state.against
    this.state = changed(this.data, this.state, { ...fresh, kind, against: group })
    this.refused = []
    await this.showPhoto()
  }

  async showPhoto() {
    const chosen = this.state.photo
    const photo = await this.data.photo(chosen)
    if (chosen !== this.state.photo) return // the reader was faster
    this.photo = photo
    this.at = null
    this.render()
  }

  render() {
    const { data, photo, state } = this
    if (this.space.length !== photo.grey.length) this.space = new Float64Array(photo.grey.length)
    this.result = compute(data, photo, state, this.space)
    this.draw()
    this.tell()
    this.showInputs()
    this.point()
  }

  // --- the picture ---

  draw() {
    const { data, photo, state, result } = this.view
    const { canvas, marks, bar } = this.canvases
    if (canvas.width !== photo.width || canvas.height !== photo.height) {
      for (const one of [canvas, marks]) {
        one.width = photo.width
        one.height = photo.height
      }
    }
    const pair = data.pair(state.colours)
    const pixels = picture(photo, state, result, pair)
    contextOf(canvas).putImageData(new ImageData(pixels, photo.width, photo.height), 0, 0)
    const context = contextOf(bar)
    colourBar(pair, state, bar.width).forEach((colour, x) => {
      context.fillStyle = `rgb(${colour})`
      context.fillRect(x, 0, 1, bar.height)
    })
  }

  // --- words ---

  tell() {
    const { view } = this
    const { data, state, result } = view
    const inVain = `The link asks for ${this.refused.join(", ")}, which this page doesn't have; the rest of it is shown.`
    this.say("notice", this.refused.length ? inVain : "")
    this.say("missing", missingKinds(data, state))
    this.say("title", title(data, state))
    for (const [name, text] of Object.entries(sumLine(view))) this.say(name, text)
    this.part("sum").hidden = !result.addsUp
    this.say("probability", probabilityLine(view))
    this.say("exact", exactnessLine(view))
    this.part("ticks").replaceChildren(...tickLabels(view).map(text => element("span", {}, text)))
    this.say("unit", unitLine(view))
    this.say("chosen", regionsLine(view))
    const { active, complete, order } = result
    const some = `${counted(active)} of ${counted(order.length)} feature maps are on.`
    const all = "All feature maps are on."
    this.say("offCount", complete ? all : `${some} The colours keep the scale of the whole map.`)
    this.say("whole", result.addsUp ? "" : NEEDS_ALL_MAPS)
  }

  /** What follows the pointer: the frame around a place, and what that place tells. */
  point() {
    const { view } = this
    frame(this.canvases.marks, view.photo, view.result, this.at)
    this.say("readout", readoutLine(view))
    // For screen readers: the whole, once the reader has come to rest.
    clearTimeout(this.waiting)
    this.waiting = setTimeout(() => this.say("live", summary(this.view)), 400)
  }

  /** @param {number | null} at */
  goTo(at) {
    if (at === this.at) return
    this.at = at
    this.point()
  }

  // --- the inputs ---

  build() {
    const { root, id } = this
    root.dataset.lmSuppressShortcuts = "true" // arrow keys here are ours, not JupyterLab's
    root.innerHTML = scaffold(id)
    const canvas = (/** @type {string} */ name) => /** @type {HTMLCanvasElement} */ (this.part(name))
    this.canvases = { canvas: canvas("canvas"), marks: canvas("marks"), bar: canvas("bar") }
    this.buildPhotos()
    this.buildPickers()
    const change = (/** @type {Partial<State>} */ settings) => this.change(settings)
    for (const slot of /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll("[data-slot]"))) {
      const control = this.control(slot.dataset.slot ?? "")
      if (control.name === "keep") this.inputs.push(keepSlider(slot, id, control, change))
      else if (typeof control.default === "boolean") this.inputs.push(checkbox(slot, control, change))
      else if (control.choices) this.inputs.push(radios(slot, id, control, change))
      else this.inputs.push(slider(slot, id, control, change))
    }
    this.part("maps").addEventListener("change", event => {
      const box = /** @type {HTMLInputElement} */ (event.target)
      const off = this.state.off.filter(k => k !== Number(box.value))
      this.change({ off: box.checked ? off : [...off, Number(box.value)] })
    })
    this.part("allOn").addEventListener("click", () => this.change({ off: [], keep: null }))
    this.buildSharing()
    listen(this.canvases.canvas, this)
  }

  buildPhotos() {
    const host = this.part("photos")
    const [legend] = host.getElementsByTagName("legend")
    legend.textContent = this.control("photo").label
    host.append(
      ...this.data.photos.map(({ name, jpeg }, i) => {
        const radio = element("input", { type: "radio", name: `${this.id}-photo`, value: i })
        radio.addEventListener("change", () => this.choosePhoto(i))
        const show = (/** @type {State} */ state) => {
          radio.checked = state.photo === i
        }
        this.inputs.push({ show })
        const picture = element("img", { class: "dark-light", alt: "", src: address(jpeg) })
        return element("label", { title: name }, radio, picture, element("span", {}, name))
      }),
    )
  }

  buildPickers() {
    const pick = (/** @type {"target" | "against"} */ name, /** @type {any} */ parts) => {
      const label = this.control(name).label
      const about = { label, id: `${this.id}-${name}`, current: () => this.state[name], ...parts }
      const picker = new Picker(this.part(name), about)
      this.inputs.push({ show: () => picker.show() })
    }
    pick("target", {
      options: () => classOptions(this.data, this.view.photo),
      choose: (/** @type {number} */ target) => {
        const { against } = this.state // a class that was the rival can't stay its own
        this.change({ target, against: against === target ? this.control("against").default : against })
      },
    })
    pick("against", {
      options: () => rivalOptions(this.data, this.view.photo, this.state),
      choose: (/** @type {State["against"]} */ against) => this.change({ against }),
    })
  }

  /** Bring every input to the state, whatever changed it, and show those that mean something now. */
  showInputs() {
    const { data, photo, state, result } = this.view
    for (const input of this.inputs) input.show(state)
    const kinds = this.root.querySelectorAll("[data-part=kind] input")
    allowKinds(/** @type {HTMLInputElement[]} */ ([...kinds]), data, state)
    this.part("against").hidden = !data.kinds[state.kind].rivals
    this.part("averaged").hidden = !state.regions
    this.part("switches").hidden = !result.addsUp
    this.slot("threshold").hidden = state.choose !== "threshold"
    this.slot("top").hidden = state.choose !== "top"
    this.slot("cells").hidden = state.regions || !result.addsUp
    this.part("barBox").hidden = state.regions && state.view !== "heat"
    showMaps(this.part("maps"), state, result)
    const what = state.regions ? "superpixel to superpixel" : "cell to cell"
    this.canvases.canvas.setAttribute(
      "aria-label",
      `${title(data, state)} over the photograph ${photo.name}. Arrow keys go from ${what}.`,
    )
    this.linkField.value = this.link()
  }

  // --- keeping and sharing ---

  buildSharing() {
    const field = /** @type {HTMLInputElement} */ (this.part("link"))
    this.linkField = field
    this.part("copy").addEventListener("click", () => this.copyLink())
    this.part("save").addEventListener("click", () => this.save())
    this.part("reset").addEventListener("click", () => this.restore(this.initial))
    field.addEventListener("focus", () => field.select())
    field.addEventListener("keydown", event => {
      if (event.key === "Enter") this.restore(field.value.replace(/^[^#]*#/, "").replace(/^play=[^&]*&/, ""))
    })
  }

  /** The page's address with the state. Inside a frame (Colab, VS Code) only the state: see `state=`. */
  link() {
    const query = writeLink(this.data, this.state)
    if (window !== window.top || !/^(https?|file):/.test(location.href)) return query
    return `${location.href.replace(/#.*$/, "")}#play=${this.name}&${query}`
  }

  async copyLink() {
    const field = this.linkField
    field.value = this.link()
    const details = field.closest("details")
    if (details) details.open = true
    if (field.value.includes("#")) history.replaceState(history.state, "", field.value)
    field.select()
    this.say("copy", (await copyText(field.value)) ? "Link copied" : "Copy it from the field below")
    setTimeout(() => this.say("copy", "Copy link"), 2000)
  }

  /** The picture with its title and colour bar, as a PNG. */
  save() {
    const { view } = this
    const name = title(view.data, view.state)
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, "-")
    saveAs(`${name}.png`, sheet(this.canvases, view))
  }

  // --- small helps ---

  /**
   * @param {string} name
   * @returns {Control}
   */
  control(name) {
    return /** @type {Control} */ (this.data.controls.get(name))
  }

  /** @param {string} name */
  part(name) {
    return /** @type {HTMLElement} */ (this.root.querySelector(`[data-part="${name}"]`))
  }

  /** @param {string} name */
  slot(name) {
    return /** @type {HTMLElement} */ (this.root.querySelector(`[data-slot="${name}"]`))
  }

  /**
   * Nothing to say leaves no gap.
   * @param {string} name
   * @param {string} text
   */
  say(name, text) {
    const part = this.part(name)
    part.textContent = text
    if (part instanceof HTMLParagraphElement) part.hidden = !text
  }
}
