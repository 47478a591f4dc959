// A list of classes that typing filters (the combobox pattern of ARIA 1.2).

import { element } from "./dom.js"

/**
 * @typedef {{ value: any, name: string, note: string }} Option
 * @typedef {{
 *   label: string, id: string, options: () => Option[], current: () => any, choose: (value: any) => void,
 * }} PickerParts
 */

export class Picker {
  /**
   * @param {HTMLElement} host
   * @param {PickerParts} parts
   */
  constructor(host, { label, id, options, current, choose }) {
    this.id = id
    this.options = options
    this.current = current
    this.choose = choose
    this.active = -1
    /** @type {Option[]} */
    this.found = []
    this.input = element("input", {
      id,
      type: "text",
      role: "combobox",
      autocomplete: "off",
      spellcheck: "false",
      "aria-expanded": "false",
      "aria-controls": `${id}-list`,
      "aria-autocomplete": "list",
    })
    this.list = element("ul", { id: `${id}-list`, role: "listbox", "aria-label": label, hidden: "" })
    host.append(
      element("label", { for: id }, label),
      element("div", { class: "xp-combo" }, this.input, this.list),
    )
    const { input, list } = this
    input.addEventListener("focus", () => input.select())
    input.addEventListener("click", () => this.open(""))
    input.addEventListener("input", () => this.open(input.value))
    input.addEventListener("blur", () => this.close())
    input.addEventListener("keydown", event => this.key(event))
    // pointerdown would take the focus from the field and close the list before the click arrives
    list.addEventListener("pointerdown", event => event.preventDefault())
    list.addEventListener("click", event => {
      const option = /** @type {HTMLElement} */ (event.target).closest("[role=option]")
      if (option instanceof HTMLElement) this.take(Number(option.dataset.at))
    })
  }

  show() {
    const value = this.current()
    const chosen = this.options().find(option => option.value === value)
    if (document.activeElement !== this.input || this.list.hidden) this.input.value = chosen?.name ?? ""
  }

  /** @param {string} typed */
  open(typed) {
    const wanted = typed.trim().toLowerCase()
    this.found = this.options().filter(option => option.name.toLowerCase().includes(wanted))
    const value = this.current()
    this.list.replaceChildren(
      ...this.found.map((option, i) => {
        const selected = String(option.value === value)
        const role = { id: `${this.id}-${i}`, role: "option", "data-at": i, "aria-selected": selected }
        return element("li", role, element("span", {}, option.name), element("small", {}, option.note))
      }),
    )
    if (!this.found.length) {
      const role = { role: "option", "aria-disabled": "true", "aria-selected": "false" }
      this.list.append(element("li", role, "None of the offered classes"))
    }
    this.list.hidden = false
    this.input.setAttribute("aria-expanded", "true")
    const at = this.found.findIndex(option => option.value === value)
    this.activate(wanted ? (this.found.length ? 0 : -1) : at)
  }

  /** @param {number} i */
  activate(i) {
    this.list.querySelector(".xp-active")?.classList.remove("xp-active")
    this.active = i
    const option = i >= 0 ? this.list.children[i] : null
    if (!(option instanceof HTMLElement)) return this.input.removeAttribute("aria-activedescendant")
    option.classList.add("xp-active")
    this.input.setAttribute("aria-activedescendant", option.id)
    // not scrollIntoView: that would scroll the page as well
    const { list } = this
    const low = option.offsetTop + option.offsetHeight - list.clientHeight
    list.scrollTop = Math.min(Math.max(list.scrollTop, low), option.offsetTop)
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const last = this.found.length - 1
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

  /** @param {number} i */
  take(i) {
    const option = this.found[i]
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
