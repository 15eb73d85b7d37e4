/** The style sheet of the reference page. */
export const DOCS_STYLE = `
:root { color-scheme: light dark; --line: #8884; --soft: #8882; --link: light-dark(#0b57d0, #8ab4f8); }
* { box-sizing: border-box; }
body { margin: 0; font: 1rem/1.55 system-ui, sans-serif; }
.skip { position: absolute; left: -99rem; }
.skip:focus { left: 1rem; }
header, nav, main { max-width: 60rem; margin: 0 auto; padding: 0 1.25rem; }
a { color: var(--link); }
h2 { margin-top: 3rem; border-bottom: 1px solid var(--line); }
h3 { margin: 2rem 0 .25rem; font-size: 1.05rem; overflow-wrap: anywhere; }
code { font: .92em ui-monospace, monospace; background: var(--soft); border-radius: .25rem; padding: .1em .3em; }
pre { overflow-x: auto; background: var(--soft); border-radius: .25rem; padding: .75rem; }
pre code { background: none; padding: 0; }
nav ul { columns: 18rem; padding-left: 1.1rem; overflow-wrap: anywhere; }
.table { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1rem; font-size: .93rem; }
caption { text-align: left; font-weight: 600; padding: .4rem 0; }
th, td { text-align: left; vertical-align: top; padding: .35rem .75rem .35rem 0; border-top: 1px solid var(--line); }
.lock { font-size: .85rem; }
[id] { scroll-margin-top: 1rem; }
:target { outline: 2px solid var(--link); outline-offset: .2rem; }
`;
