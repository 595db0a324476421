/** How the report looks; nothing is loaded from anywhere. */
export const STYLE = `
:root{color-scheme:light dark;--fg:#1c1e21;--soft:#6b7280;--line:#d9dce1;--card:#f6f7f9;--bg:#fff;--a:#2563eb;--b:#d97706;--c:#059669;--d:#9333ea;--bad:#b91c1c}
@media(prefers-color-scheme:dark){:root{--fg:#e6e8eb;--soft:#9aa3af;--line:#353b45;--card:#1b1f26;--bg:#12151a;--a:#60a5fa;--b:#fbbf24;--c:#34d399;--d:#c084fc;--bad:#f87171}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--fg);background:var(--bg);max-width:56rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem;margin:0 0 .2rem}h2{font-size:1.1rem;margin:2rem 0 .6rem}p{margin:.3rem 0}.soft,.tick{color:var(--soft);fill:var(--soft)}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(11rem,1fr));gap:.7rem;margin:1.2rem 0}.card{background:var(--card);border-radius:.6rem;padding:.7rem .9rem}
.card b{display:block;font-size:1.35rem;font-weight:600}.card span{color:var(--soft);font-size:.85rem}
table{border-collapse:collapse;width:100%;font-size:.9rem}td,th{padding:.25rem .6rem .25rem 0;text-align:left;border-bottom:1px solid var(--line);vertical-align:top}th{color:var(--soft);font-weight:500}
.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}.name{max-width:22rem;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.bar{width:45%}.bar i{display:block;height:.7rem;margin-top:.35rem;background:var(--a);border-radius:.2rem}.warning{border-left:3px solid var(--bad);padding-left:.7rem;margin:.4rem 0}
figure{margin:.5rem 0}svg{width:100%;height:auto}.tick{font-size:11px}.grid{stroke:var(--line)}.curve{fill:none;stroke-width:2}.level{stroke-dasharray:5 4;stroke-width:1.5}
.c0{stroke:var(--a)}.c1{stroke:var(--b)}.c2{stroke:var(--c)}.c3{stroke:var(--d)}g.c0,circle.c0{fill:var(--a)}g.c1{fill:var(--b)}g.c2{fill:var(--c)}g.c3{fill:var(--d)}
.key{margin-right:1rem;color:var(--soft)}.key::before{content:"";display:inline-block;width:.8rem;height:.2rem;margin-right:.4rem;vertical-align:middle;background:var(--a)}.key.c1::before{background:var(--b)}.key.c2::before{background:var(--c)}.key.c3::before{background:var(--d)}
details summary{cursor:pointer;color:var(--soft)}code{font-size:.85em}
`
