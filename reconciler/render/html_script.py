"""The script of the plan's page: the filter, and the way to a change that a link names.

Without it the page shows everything. It is the only script the page allows, by its hash.
"""

from __future__ import annotations

import base64
import hashlib

SCRIPT = """
(() => {
  const root = document.documentElement, query = document.querySelector('#query');
  const boxes = [...document.querySelectorAll('.choose input[type=checkbox]')];
  const shown = document.querySelector('#shown'), texts = new WeakMap();
  const groups = [...document.querySelectorAll('.group')].map(
    group => [group, [...group.querySelectorAll('.change')]]);
  const total = groups.reduce((sum, [, changes]) => sum + changes.length, 0);
  const textOf = change => {
    if (!texts.has(change)) texts.set(change, change.textContent.toLowerCase());
    return texts.get(change);
  };
  const apply = () => {
    const words = query.value.toLowerCase().split(/\\s+/).filter(Boolean);
    const actions = new Set(boxes.filter(box => box.checked).map(box => box.value));
    let count = 0;
    for (const [group, changes] of groups) {
      let some = 0;
      for (const change of changes) {
        const fits = actions.has(change.dataset.action) && words.every(word => textOf(change).includes(word));
        if (change.hidden === fits) change.hidden = !fits;
        some += fits;
      }
      if (group.hidden === some > 0) group.hidden = some === 0;
      if (some && words.length) group.open = true;
      count += some;
    }
    shown.textContent = count === total ? `${total} changes` : `${count} of ${total} changes`;
  };
  const reveal = () => {
    const change = document.getElementById(location.hash.slice(1));
    if (!change || !change.matches('.change')) return;
    if (change.hidden) {
      query.value = '';
      boxes.forEach(box => { box.checked = true; });
      apply();
    }
    change.closest('.group').open = true;
    change.scrollIntoView();
    change.focus({preventScroll: true});
  };
  if (query) {
    root.classList.add('live');
    let wait = 0;
    query.addEventListener('input', () => { clearTimeout(wait); wait = setTimeout(apply, 120); });
    boxes.forEach(box => box.addEventListener('change', apply));
    query.form.addEventListener('submit', event => { event.preventDefault(); apply(); });
    apply();
  }
  addEventListener('hashchange', reveal);
  reveal();
})();
"""

HASH = "sha256-" + base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
"""The source expression of ``script-src`` that allows SCRIPT and nothing else (CSP level 3)."""
