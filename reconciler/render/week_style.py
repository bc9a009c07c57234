"""The style of the week grid: light, dark, narrow and on paper."""

STATES_LIGHT = (
    "--open: #e9edf2; --away: #17518f; --night: #5f3a94; --stay: #a95a08; --on: #fff; --mark: #d4231d;"
)
STATES_DARK = (
    "--open: #2a323d; --away: #6aa9ec; --night: #b695ec; --stay: #efa54e; --on: #10151b; --mark: #ff6b62;"
)
"""The colours of states, and of what is marked on them."""

BARS = """
.bars { position: relative; height: 1.5rem; background: var(--open); border-radius: .25rem;
  overflow: hidden; }
.bar { position: absolute; top: 0; bottom: 0; overflow: hidden; white-space: nowrap; text-align: center;
  font-size: .75rem; line-height: 1.5rem; }
.tick { position: absolute; top: 0; bottom: 0; width: 1px; background: var(--line); }
.disarmed { background: var(--open); color: var(--soft); }
.bar.disarmed { background: none; }
.armed_away { background: var(--away); color: var(--on); }
.armed_night { color: var(--on); background: repeating-linear-gradient(135deg, transparent 0 7px,
  #ffffff2e 7px 9px), var(--night); }
.armed_stay { color: var(--on); background: repeating-linear-gradient(90deg, transparent 0 6px,
  #ffffff33 6px 8px), var(--stay); }
"""
"""The bars of a day; ``--line`` and ``--soft`` are the page's own."""

STYLE = (
    f"""
:root {{ color-scheme: light dark; {STATES_LIGHT}
  --page: #f4f5f7; --card: #fff; --ink: #1b2330; --soft: #5a6575; --line: #d5dae1; --warn: #fff3d6; }}
@media (prefers-color-scheme: dark) {{ :root {{ {STATES_DARK}
  --page: #12161c; --card: #1b212a; --ink: #e8ecf2; --soft: #a3adbb; --line: #39424f; --warn: #3b3116; }} }}
{BARS}"""
    """
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 84rem; background: var(--page); color: var(--ink);
  font: 15px/1.45 system-ui, sans-serif; }
h1 { font-size: 1.45rem; margin: 0; } h2 { font-size: 1.1rem; margin: 0; overflow-wrap: anywhere; }
h3 { font-size: .85rem; margin: .9rem 0 .1rem; color: var(--soft); font-weight: 600; }
header p, .about { margin: .15rem 0 .5rem; color: var(--soft); overflow-wrap: anywhere; font-size: .85rem; }
ul.legend { list-style: none; display: flex; flex-wrap: wrap; gap: .35rem 1.1rem; padding: 0;
  margin: .4rem 0 1rem; font-size: .85rem; }
.legend i { display: inline-block; width: 1.7rem; height: .95rem; margin-right: .4rem;
  vertical-align: -.12rem; border-radius: .2rem; }
.legend .made { width: 2px; margin: 0 .6rem 0 .3rem; }
main { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 34rem), 1fr)); }
article, .warnings { background: var(--card); border: 1px solid var(--line); border-radius: .5rem;
  padding: .9rem 1rem; min-width: 0; }
.warnings { background: var(--warn); margin-bottom: 1rem; } .warnings ul { margin: .3rem 0 0;
  padding-left: 1.2rem; overflow-wrap: anywhere; }
ol { list-style: none; margin: 0; padding: 0; }
ol li, .hours { display: grid; grid-template-columns: 5.2rem minmax(0, 1fr); column-gap: .5rem; }
ol li { padding: .12rem 0; } li.weekend > b { color: var(--soft); }
li > b { font-size: .85rem; line-height: 1.5rem; white-space: nowrap; } li > b span { font-weight: 400; }
.hours { font-size: .7rem; color: var(--soft); } .hours div { position: relative; height: 1rem; }
.hours div span, .times span { position: absolute; transform: translateX(-50%);
  font-variant-numeric: tabular-nums; }
.hours div span:first-child { transform: none; } .hours div span:last-child { transform: translateX(-100%); }
.times { position: relative; height: .95rem; font-size: .7rem; line-height: .95rem; color: var(--soft); }
.times:empty { height: .2rem; }
.override { outline: 2px dashed var(--mark); outline-offset: -2px; font-weight: 700; }
i.made { position: absolute; top: 0; bottom: 0; width: 2px; background: var(--mark); }
.legend i.made { position: static; }
.note { margin: 0 0 .2rem; font-size: .75rem; font-weight: 600; overflow-wrap: anywhere; }
details { margin-top: .6rem; font-size: .85rem; } summary { cursor: pointer; color: var(--soft); }
.scroll { overflow-x: auto; } table { border-collapse: collapse; margin-top: .4rem; }
th, td { text-align: left; vertical-align: top; padding: .15rem .8rem .15rem 0;
  border-top: 1px solid var(--line); }
td:first-child { white-space: nowrap; } td:last-child { overflow-wrap: anywhere; }
.more { font-weight: 600; }
@media (max-width: 30rem) { body { padding: .5rem; } article, .warnings { padding: .7rem .6rem; }
  ol li, .hours { grid-template-columns: 4.9rem minmax(0, 1fr); column-gap: .3rem; }
  li > b { font-size: .8rem; } }
@media print { :root { --page: #fff; } body { max-width: none; padding: 0; font-size: 12px; }
  article { break-inside: avoid; } details { display: none; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
"""
)
