interface Window {
  /** The copy of the script that serves the page. */
  xaicorePlayground?: { start: () => void }
}
