"""The style sheet of the pages."""

__all__ = ["STYLE"]

STYLE = """\
:root {
  --ink: #1c2128; --soft: #5a6472; --line: #dde1e6; --paper: #fbfbfc; --card: #fff;
  --shade: #f1f3f5; --accent: #2563ab;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ink: #e4e7eb; --soft: #9aa4b2; --line: #333a44; --paper: #14171b; --card: #1b1f25;
    --shade: #22272e; --accent: #7fb2ea;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
}
main { max-width: 1064px; margin: 0 auto; padding: 2.5rem 1rem 4rem; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 1rem; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 2.25rem 0 .6rem; }
.summary { color: var(--soft); max-width: 44rem; margin: 0 0 .8rem; white-space: pre-line; }
.scroll {
  overflow-x: auto; background: var(--card); border: 1px solid var(--line); border-radius: 8px;
}
table { border-collapse: collapse; font-size: .94rem; width: 100%; }
th, td { padding: .5rem .9rem; text-align: right; border-top: 1px solid var(--line); }
th:first-child {
  text-align: left; font-weight: 500; position: sticky; left: 0; background: inherit;
}
tr { background: var(--card); }
thead tr { background: var(--shade); }
.results th, .results td { white-space: nowrap; font-variant-numeric: tabular-nums; }
thead th {
  font-weight: 600; color: var(--soft); font-size: .84rem; border: 0;
}
thead th:first-child { font-weight: 600; }
.settings tr:first-child > * { border-top: 0; }
.settings th, .settings td { padding: .3rem .9rem; font-size: .86rem; vertical-align: top; }
.settings td { text-align: left; overflow-wrap: anywhere; width: 70%; }
.settings td, .settings th, pre { font-family: ui-monospace, "SF Mono", Menlo, monospace; }
figure { margin: 2.25rem 0 0; }
figcaption { color: var(--soft); font-size: .9rem; margin-top: .5rem; }
img {
  display: block; max-width: 100%; height: auto; background: #fff;
  border: 1px solid var(--line); border-radius: 8px;
}
@media (min-width: 1064px), (min-resolution: 2dppx) { .crisp { image-rendering: pixelated; } }
details { margin-top: 2.25rem; }
details > summary { cursor: pointer; font-weight: 600; font-size: 1.1rem; }
details > .scroll { margin-top: .6rem; }
pre {
  margin: 0; padding: .8rem .9rem; overflow-x: auto; font-size: .86rem; white-space: pre-wrap;
  overflow-wrap: anywhere; background: var(--shade); border-radius: 8px;
}
.missing { color: var(--soft); font-style: italic; }
.pan { overflow-x: auto; }
@media (max-width: 640px) {
  .wide { max-width: none; width: 720px; }
  .results th, .results td { padding: .5rem .6rem; }
  main { padding-top: 1.5rem; }
  .settings th, .settings td { display: block; width: auto; padding: .3rem .9rem; }
  .settings td { border-top: 0; padding-top: 0; color: var(--soft); }
}
@media print { details > .scroll { display: block; } }
"""
