"""The frame of a page that stands alone in one file: no request to anywhere."""

from __future__ import annotations

from collections.abc import Iterable


def page(title: str, parts: Iterable[str], *, style: str, script_source: str = "", mark: str = "") -> str:
    """A whole page of ``parts``; ``title`` and ``parts`` are HTML already, empty parts are left out.

    ``style``: its own sheet. ``script_source``: the one script it allows itself, as a source of its content
    security policy; none without. ``mark``: the class of its body.
    """
    script = f"script-src '{script_source}'; " if script_source else ""
    policy = f"default-src 'none'; style-src 'unsafe-inline'; {script}base-uri 'none'; form-action 'none'"
    body = f'<body class="{mark}">' if mark else "<body>"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{style}</style>\n</head>\n{body}\n"
        + "\n".join(part for part in parts if part)
        + "\n</body>\n</html>\n"
    )
