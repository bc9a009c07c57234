"""The style of the plan's page: light, dark, narrow and on paper.

Colours are pairs of ink and ground; ``tests/render/test_html.py`` holds every pair to WCAG AA.
"""

from __future__ import annotations

from reconciler.render.week_style import BARS, STATES_DARK, STATES_LIGHT

LIGHT = {
    "page": "#f5f6f8",
    "card": "#ffffff",
    "ink": "#1a2230",
    "soft": "#566173",
    "line": "#dde2e9",
    "link": "#0b5cad",
    "delete": "#b3261e",
    "replace": "#7b3fa0",
    "manual": "#4a4fb5",
    "update": "#7a5600",
    "create": "#1a6b3a",
    "adopt": "#0b5f7d",
    "old": "#fdeceb",
    "new": "#e6f5ea",
    "old-mark": "#f6bdb8",
    "new-mark": "#a9dfb8",
    "warn": "#fff6df",
    "grave": "#fdf1f0",
}
DARK = {
    "page": "#11151b",
    "card": "#191f28",
    "ink": "#e6eaf0",
    "soft": "#a3adbb",
    "line": "#323b48",
    "link": "#7dbbf5",
    "delete": "#ff9a90",
    "replace": "#d3a8f0",
    "manual": "#adb2ff",
    "update": "#e6c15c",
    "create": "#7fd69b",
    "adopt": "#74cbe8",
    "old": "#35201f",
    "new": "#182f20",
    "old-mark": "#753330",
    "new-mark": "#245f38",
    "warn": "#332b14",
    "grave": "#271a1c",
}


def _variables(colours: dict[str, str]) -> str:
    return " ".join(f"--{name}: {value};" for name, value in colours.items())


_ACTIONS = "\n".join(
    f".{action} {{ --tone: var(--{action}); }}"
    for action in ("delete", "replace", "manual", "update", "create", "adopt")
)

STYLE = (
    f"""
:root {{ color-scheme: light dark; {_variables(LIGHT)} {STATES_LIGHT} }}
@media (prefers-color-scheme: dark) {{ :root {{ {_variables(DARK)} {STATES_DARK} }} }}
{_ACTIONS}{BARS}"""
    """
* { box-sizing: border-box; }
html { scroll-padding-top: 4.5rem; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 72rem; background: var(--page);
  color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1rem; margin: 0; overflow-wrap: anywhere; }
h3 { font-size: .9375rem; font-weight: 400; margin: 0; overflow-wrap: anywhere; }
a { color: var(--link); text-underline-offset: .15em; }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
header.page p { margin: .25rem 0 0; color: var(--soft); overflow-wrap: anywhere; }
header.page .limited { color: var(--ink); font-weight: 600; }
time { white-space: nowrap; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
  white-space: nowrap; }
.warnings, .going, .unmanaged { border: 1px solid var(--line); border-radius: .5rem; background: var(--card);
  padding: .75rem 1rem; margin: 1rem 0; }
.warnings { background: var(--warn); }
.going { background: var(--grave); border-color: var(--delete); border-left-width: .3rem; }
.warnings ul, .going ul, .unmanaged ul { margin: .4rem 0 0; padding-left: 1.1rem; overflow-wrap: anywhere; }
.going ul { list-style: none; padding: 0; columns: 24rem; column-gap: 2rem; }
.unmanaged ul { columns: 20rem; }
.going li, .unmanaged li { break-inside: avoid; }
.facts { display: flex; flex-wrap: wrap; gap: .4rem 2.5rem; margin: 1rem 0 .75rem; }
.facts dt { color: var(--soft); font-size: .8125rem; }
.facts dd { margin: 0; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
.choose { position: sticky; top: 0; z-index: 2; display: flex; flex-wrap: wrap; align-items: center;
  gap: .4rem .75rem; margin: 0 -1rem; padding: .5rem 1rem; background: var(--page);
  border-bottom: 1px solid var(--line); }
.choose fieldset { display: flex; flex-wrap: wrap; gap: .35rem; border: 0; margin: 0; padding: 0;
  min-width: 0; }
.chip { display: inline-flex; align-items: center; gap: .3rem; padding: .1rem .6rem; border-radius: 1rem;
  border: 1px solid var(--tone); color: var(--tone); background: var(--card); font-size: .875rem;
  white-space: nowrap; font-variant-numeric: tabular-nums; }
.chip input, .query { display: none; }
.live .chip input { display: inline-block; margin: 0; accent-color: var(--tone); }
.live .chip { cursor: pointer; }
.live .query { display: block; flex: 1 1 12rem; }
.chip:has(:focus-visible) { outline: 2px solid var(--link); outline-offset: 2px; }
.query input { width: 100%; font: inherit; padding: .2rem .6rem; color: var(--ink); background: var(--card);
  border: 1px solid var(--soft); border-radius: .35rem; }
.query input::placeholder { color: var(--soft); opacity: 1; }
#shown { color: var(--soft); font-size: .875rem; font-variant-numeric: tabular-nums; }
.group { margin: 1rem 0; background: var(--card); border: 1px solid var(--line); border-radius: .5rem; }
.large .group { content-visibility: auto; contain-intrinsic-size: auto 12rem; }
.group > summary { display: flex; flex-wrap: wrap; align-items: baseline; gap: 0 1rem; padding: .6rem 1rem;
  cursor: pointer; }
.group > summary::before { content: "▸"; color: var(--soft); width: .6rem; margin-right: -.4rem; }
.group[open] > summary::before { content: "▾"; }
.group > summary span { color: var(--soft); font-size: .875rem; }
.change { border-top: 1px solid var(--line); padding: .6rem 1rem .7rem;
  box-shadow: inset .2rem 0 var(--tone); }
.large .change { content-visibility: auto; contain-intrinsic-size: auto 6rem; }
.change.delete, .change.replace { background: var(--grave); box-shadow: inset .4rem 0 var(--tone); }
.change:last-child { border-radius: 0 0 .5rem .5rem; }
.change:target { outline: 2px solid var(--link); outline-offset: -2px; }
.verb { color: var(--tone); margin-right: .25rem; white-space: nowrap; }
.delete > h3 a, .replace > h3 a { font-weight: 600; }
h3 a, .going a { color: inherit; text-decoration-color: var(--soft); }
.place { color: var(--soft); font: .8125rem ui-monospace, monospace; margin-left: .75rem; }
.why, .through { margin: .15rem 0 0; color: var(--soft); font-size: .875rem; overflow-wrap: anywhere; }
.steps { margin: .3rem 0 0; padding-left: 1.4rem; overflow-wrap: anywhere; }
code { font: .8125rem ui-monospace, monospace; overflow-wrap: anywhere; }
.fields { border-collapse: collapse; width: 100%; table-layout: fixed; margin-top: .45rem;
  font-size: .875rem; }
.fields th, .fields td { text-align: left; vertical-align: top; padding: .15rem .75rem .15rem 0;
  overflow-wrap: anywhere; }
.fields th { font-weight: 400; color: var(--soft); width: 13rem; }
.fields thead th { font-size: .75rem; padding-bottom: 0; }
.fields thead th + th { width: auto; }
.fields em { font-style: normal; font-size: .75rem; border: 1px solid var(--line); border-radius: .25rem;
  padding: 0 .25rem; white-space: nowrap; }
del, ins { display: block; width: fit-content; max-width: 100%; text-decoration: none; border-radius: .2rem;
  padding: 0 .35rem; font: .8125rem/1.55 ui-monospace, monospace; color: var(--ink); }
del { background: var(--old); } ins { background: var(--new); } .fresh ins { background: none; padding: 0; }
del::before { content: "- "; color: var(--delete); } ins::before { content: "+ "; color: var(--create); }
.fresh ins::before { content: none; }
del mark { background: var(--old-mark); } ins mark { background: var(--new-mark); }
mark { color: inherit; border-radius: .15rem; }
.none { color: var(--soft); }
.weeks > h2 { margin: 1.5rem 0 .5rem; }
.weeks > div { display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 32rem), 1fr));
  align-items: start; margin-bottom: 1rem; }
.week { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .75rem 1rem;
  min-width: 0; }
.week h3 { font-weight: 600; }
.week p, .week ul { margin: .2rem 0 0; overflow-wrap: anywhere; }
.week ul { padding-left: 1.1rem; } .week .sites, .later { color: var(--soft); font-size: .875rem; }
.week ol { list-style: none; margin: .6rem 0 0; padding: 0; }
.week ol > li { display: grid; grid-template-columns: 6rem minmax(0, 1fr); align-items: center;
  padding: .25rem 0; border-top: 1px solid var(--line); }
.week li > b { font-size: .8125rem; } .week li > b span { font-weight: 400; }
.side { display: grid; grid-template-columns: 3.2rem minmax(0, 1fr); align-items: center;
  font-size: .75rem; color: var(--soft); }
.side .bars { height: 1.1rem; margin: 1px 0; } .side .bar { line-height: 1.1rem; font-size: .6875rem; }
.moved { position: absolute; top: 0; bottom: 0; border: 2px solid var(--mark); border-radius: .15rem; }
.hours { display: grid; grid-template-columns: 9.2rem minmax(0, 1fr); font-size: .6875rem;
  color: var(--soft); }
.hours div { position: relative; height: 1rem; }
.hours div span { position: absolute; transform: translateX(-50%); }
.hours div span:first-child { transform: none; } .hours div span:last-child { transform: translateX(-100%); }
.nothing { font-size: 1.125rem; margin: 1.5rem 0; }
@media (max-width: 40rem) {
  body { padding: 1rem .75rem 3rem; }
  .choose { margin: 0 -.75rem; padding: .4rem .75rem; }
  .choose fieldset { flex-wrap: nowrap; overflow-x: auto; flex: 1 0 100%; padding: 2px 0; }
  .place { display: block; margin: 0; }
  .change, .group > summary { padding-left: .9rem; padding-right: .75rem; }
  .week ol > li { grid-template-columns: 1fr; } .hours { grid-template-columns: 3.2rem minmax(0, 1fr); }
  .fields, .fields tbody, .fields tr, .fields th, .fields td { display: block; width: auto; }
  .fields thead { display: none; }
  .fields tr { margin-top: .35rem; }
  .fields th, .fields td { padding: 0; } .fields td { margin-top: .15rem; }
}
@media (max-height: 30rem) { .choose { position: static; } }
@media print {
  :root { --page: #fff; }
  body { max-width: none; padding: 0; font-size: 11px; }
  .choose { position: static; border: 0; padding: 0; margin: 0; } .live .query, #shown { display: none; }
  .live .chip input { display: none; }
  .large .group, .large .change { content-visibility: visible; } .change, .week { break-inside: avoid; }
  details::details-content { content-visibility: visible; height: auto; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""
)
