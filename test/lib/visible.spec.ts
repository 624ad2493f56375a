import assert from "node:assert/strict";
import { visible, visibleLine } from "../../lib/visible.ts";

describe("text written by others", () => {
    for (const [name, text, shown] of [
        ["an escape sequence", "\u001b[2Jgone", "\\u001b[2Jgone"],
        ["a carriage return", "evil\rgood", "evil\\u000dgood"],
        ["a backspace", "ab\b", "ab\\u0008"],
        ["a NUL", "a\0b", "a\\u0000b"],
        ["C1 controls", "\u009b31m", "\\u009b31m"],
        ["bidi marks", "user\u202egnp", "user\\u202egnp"],
        ["bidi isolates", "\u2066a\u2069", "\\u2066a\\u2069"],
        ["zero width", "a\u200bb\ufeff", "a\\u200bb\\ufeff"],
        ["tags", "a\u{e0041}", "a\\u{e0041}"],
        ["line separators", "a\u2028b\u0085", "a\\u2028b\\u0085"],
        ["half a character", "\ud800", "\\ud800"],
        ["letters of any script", "größe 温度 حرارة 🌡", "größe 温度 حرارة 🌡"],
        ["lines and tabs", "a\n\tb", "a\n\tb"],
    ] as const) {
        it(`shows ${name}`, () => assert.equal(visible(text), shown));
    }

    it("makes it one line", () => {
        assert.equal(visibleLine(" a\n::error::b\r\n\u001b "), "a ::error::b \\u001b");
    });
});
