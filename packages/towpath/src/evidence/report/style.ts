/** The whole look of a report. No colour alone carries a meaning; both themes keep AA contrast. */
export const STYLE = `
:root{color-scheme:light dark;--paper:#fbfbf8;--card:#fff;--ink:#17211f;--soft:#51605d;--rule:#d9ddd6;--new:#0a6a72;--old:#8a5600;
--good:#14633a;--bad:#a8231b;--warn:#7d4e00;--idle:#51605d;--good-bg:#e4f3e9;--bad-bg:#fbe7e5;--warn-bg:#fbf0da;--idle-bg:#eceeea;--focus:#0a6a72}
@media (prefers-color-scheme:dark){:root{--paper:#0f1617;--card:#162022;--ink:#e6ecea;--soft:#a3b2ae;--rule:#2c393b;--new:#58c9d1;--old:#e3ae55;
--good:#74d69b;--bad:#ff9288;--warn:#f0bd67;--idle:#a3b2ae;--good-bg:#12301f;--bad-bg:#3a1916;--warn-bg:#33260e;--idle-bg:#222d2f;--focus:#58c9d1}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans",sans-serif;overflow-wrap:anywhere}
main,.page-head,footer{max-width:70rem;margin:0 auto;padding:0 1rem}
.page-head{padding-top:1.5rem}
h1,h2,h3,h4,h5{line-height:1.25;margin:0;text-wrap:balance}
h1{font-size:clamp(1.35rem,1rem + 1.7vw,2rem);font-weight:650;letter-spacing:-.01em}
.over{color:var(--soft);margin:0 0 .5rem;font-size:.9rem}
.outcome{display:inline-block;font-weight:650;padding:.15rem .7rem;border-radius:99px;margin:0 0 .6rem}
.section{border-top:1px solid var(--rule);margin-top:2rem;padding-top:1.2rem}
.section>.title{font-size:1.3rem;margin-bottom:.8rem}
.sub{font-size:1.05rem;margin:1.8rem 0 .6rem;color:var(--soft);font-weight:650}
.title+.sub{margin-top:0}
.part{margin-top:3rem;padding:1.25rem 1rem 1.5rem;background:var(--card);border:1px solid var(--rule);border-radius:.75rem}
.part .section{margin-top:1.4rem}
.promise{color:var(--soft);margin:.15rem 0 .8rem}
.headline{font-size:1.1rem;font-weight:600;margin:.2rem 0 0}
.mark{white-space:nowrap;font-weight:600;font-size:.9em;padding:.05em .5em;border-radius:.3em}
.good{color:var(--good);background:var(--good-bg)}.bad{color:var(--bad);background:var(--bad-bg)}
.warn{color:var(--warn);background:var(--warn-bg)}.idle{color:var(--idle);background:var(--idle-bg)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.2rem,1fr));gap:.75rem;margin:1.2rem 0 0;padding:0}
.tiles>div{background:var(--card);border:1px solid var(--rule);border-radius:.6rem;padding:.65rem .85rem}
.part .tiles>div{background:var(--paper)}
.tiles dt{color:var(--soft);font-size:.85rem}
.tiles dd{margin:0;font-size:1.2rem;font-weight:650;font-variant-numeric:tabular-nums;line-height:1.3}
.tiles .note{font-size:.85rem;font-weight:400;color:var(--soft)}
.facts{display:grid;grid-template-columns:minmax(6.5rem,max-content) 1fr;gap:.3rem 1.2rem;margin:0}
.facts dt{color:var(--soft)}.facts dd{margin:0;min-width:0}
@media (max-width:30rem){.facts{grid-template-columns:1fr;gap:0}.facts dd{margin-bottom:.5rem}}
.steps,.timeline{list-style:none;margin:0;padding:0}
.steps>li{display:grid;grid-template-columns:1fr auto;gap:.1rem 1rem;padding:.6rem 0;border-top:1px solid var(--rule)}
.steps>li:first-child,.timeline>li:first-child{border-top:0}
.steps .what{font-weight:600;display:inline-block}.steps .what::first-letter{text-transform:uppercase}bdi[data-ledger]:not([data-as=text],[data-as=short]){white-space:nowrap}.steps .took{color:var(--soft);font-variant-numeric:tabular-nums;text-align:right;white-space:nowrap}
.steps .note{grid-column:1/-1;margin:0;font-size:.92rem}.note .term{color:var(--soft)}
.timeline>li{display:grid;grid-template-columns:5.2rem 1fr;gap:.8rem;padding:.3rem 0;border-top:1px solid var(--rule)}
.timeline .at{color:var(--soft);font-variant-numeric:tabular-nums;text-align:right;white-space:nowrap}
.scroll{overflow-x:auto;margin:.6rem 0 1.4rem;border:1px solid var(--rule);border-radius:.5rem;background:var(--card)}
.scroll:focus-visible,summary:focus-visible,a:focus-visible{outline:3px solid var(--focus);outline-offset:2px}
table{border-collapse:collapse;width:100%;font-size:.92rem;font-variant-numeric:tabular-nums;overflow-wrap:normal}
caption{text-align:left;padding:.55rem .8rem .2rem;font-weight:650;color:var(--soft)}
th,td{text-align:left;vertical-align:top;padding:.4rem .8rem;border-top:1px solid var(--rule)}
thead th{white-space:nowrap;color:var(--soft);font-weight:600;border-top:0}
tbody th{font-weight:600;white-space:nowrap}
.num{text-align:right;white-space:nowrap}
tbody .words{min-width:17rem;white-space:normal;overflow-wrap:anywhere}
code,.hash{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace;font-size:.88em}
code{background:var(--idle-bg);padding:.1em .4em;border-radius:.3em;overflow-wrap:anywhere}
.hash{overflow-wrap:anywhere}
.problem{border-left:4px solid var(--bad);background:var(--card);padding:.7rem 1rem;margin:0 0 .8rem;border-radius:0 .5rem .5rem 0}
.problem .what{font-weight:650;margin:0 0 .4rem}
p{margin:.4rem 0}ul.list,ol.list{margin:.4rem 0;padding-left:1.4rem}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,18rem),1fr));gap:1.2rem;margin:.4rem 0 1.4rem}
@media (min-width:60rem){.charts{grid-template-columns:1fr 1fr}}
figure{margin:0;min-width:0;background:var(--card);border:1px solid var(--rule);border-radius:.6rem;padding:.7rem .7rem .5rem}
.part figure,.part .scroll,.part .problem{background:var(--paper)}
figcaption{font-weight:650}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:.1rem 1rem;padding:0;margin:.1rem 0 .2rem;font-size:.85rem;color:var(--soft)}
.legend li{display:flex;align-items:center;gap:.4rem}
svg{display:block}svg.chart{width:100%;height:auto;max-width:35rem}svg.wide{display:none}
@media (min-width:60rem){svg.wide{display:block}svg.narrow{display:none}}
svg text{font:12px system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans",sans-serif;fill:var(--soft)}
.grid{stroke:var(--rule);stroke-width:1}
.line{fill:none;stroke-width:2;stroke-linejoin:round}.line.new{stroke:var(--new)}.line.old{stroke:var(--old);stroke-dasharray:5 4}
.dot.new{fill:var(--new)}.dot.old{fill:var(--old)}
.area.new{fill:var(--new)}.hatch-ground{fill:var(--old);opacity:.18}.hatch{stroke:var(--old);stroke-width:2}
.verdict{stroke-width:1.5;stroke-dasharray:1 3}.verdict.good{stroke:var(--good)}.verdict.bad{stroke:var(--bad)}.verdict.warn{stroke:var(--warn)}.verdict.idle{stroke:var(--idle)}
svg text.sign{font-weight:700;font-size:14px}svg .sign.good{fill:var(--good)}svg .sign.bad{fill:var(--bad)}svg .sign.warn{fill:var(--warn)}svg .sign.idle{fill:var(--idle)}
details{margin:.5rem 0}summary{cursor:pointer;color:var(--new);font-weight:600;padding:.25rem 0}
figure details{font-size:.92rem;margin:.2rem 0 0}
a{color:var(--new)}nav ol{padding-left:1.3rem;margin:.4rem 0}
footer{color:var(--soft);font-size:.9rem;padding-top:2rem;padding-bottom:3rem}
@media print{body{background:#fff;font-size:10.5pt}.part,.tiles>div,figure,.scroll{break-inside:avoid}.scroll{overflow:visible;border:0}
details::details-content{content-visibility:visible;block-size:auto}summary{list-style:none}.mark,.outcome,.area,.hatch,.hatch-ground{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
`.replaceAll('\n', '');
