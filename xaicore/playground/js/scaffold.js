// The page's own layout: what stands where. Slots are filled with the inputs of the table of controls.

/** @param {string} id of this playground, unique on the page */
export const scaffold = id => `
  <div class="xp-body" id="${id}" role="group" aria-label="Playground">
    <p class="xp-notice" role="status" data-part="notice" hidden></p>
    <fieldset class="xp-photos" data-part="photos"><legend></legend></fieldset>
    <div class="xp-stage">
      <div class="xp-canvas">
        <canvas data-part="canvas" tabindex="0" role="application" aria-describedby="${id}-readout"></canvas>
        <canvas data-part="marks" aria-hidden="true"></canvas>
      </div>
      <p class="xp-title" data-part="title"></p>
      <div class="xp-bar" data-part="barBox">
        <canvas data-part="bar" width="320" height="12" aria-hidden="true"></canvas>
        <div class="xp-ticks" data-part="ticks"></div>
        <div class="xp-unit" data-part="unit"></div>
      </div>
      <p class="xp-readout" id="${id}-readout" data-part="readout"></p>
    </div>
    <div class="xp-side">
      <div class="xp-field" data-part="target"></div>
      <div data-slot="kind"></div>
      <p class="xp-fine" data-part="missing"></p>
      <div class="xp-field" data-part="against"></div>
      <div class="xp-sum" data-part="sum">
        <div><b data-part="mean"></b><span data-part="meanName"></span></div><i data-part="plus"></i>
        <div><b data-part="bias"></b><span data-part="biasName"></span></div><i>=</i>
        <div class="xp-score"><b data-part="score"></b><span data-part="scoreName"></span></div>
      </div>
      <p data-part="probability"></p>
      <p class="xp-fine" data-part="exact"></p>
      <div data-slot="regions"></div>
      <div data-part="averaged">
        <p data-part="chosen"></p>
        <div data-slot="view"></div>
        <details>
          <summary>Superpixels and choice</summary>
          <div data-slot="segments"></div>
          <div data-slot="statistic"></div>
          <div data-slot="choose"></div>
          <div data-slot="threshold"></div>
          <div data-slot="top"></div>
        </details>
      </div>
      <details>
        <summary>Switch feature maps off</summary>
        <p class="xp-fine" data-part="whole"></p>
        <div data-part="switches">
          <div data-slot="keep"></div>
          <p class="xp-fine">Strongest by what they add to this score (w·F):</p>
          <ul class="xp-maps" data-part="maps"></ul>
          <p class="xp-fine" data-part="offCount"></p>
          <button type="button" data-part="allOn">Switch all on</button>
        </div>
      </details>
      <details>
        <summary>Colours</summary>
        <div data-slot="colours"></div>
        <div data-slot="sign"></div>
        <div data-slot="opacity"></div>
        <div data-slot="cells"></div>
      </details>
      <div class="xp-buttons">
        <button type="button" data-part="copy">Copy link</button>
        <button type="button" data-part="save">Save picture</button>
        <button type="button" data-part="reset">Reset</button>
      </div>
      <details class="xp-share">
        <summary>Link to what you see</summary>
        <label class="xp-fine" for="${id}-link">Paste a link here and press Enter to go back to what it shows.</label>
        <input type="text" id="${id}-link" data-part="link" spellcheck="false" autocomplete="off">
      </details>
    </div>
    <div class="xp-live" aria-live="polite" data-part="live"></div>
  </div>`
