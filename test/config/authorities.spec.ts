import assert from "node:assert/strict";
import { authoritiesProblem } from "../../config/authorities.ts";

const END = new Date("2036-06-01T12:00:00Z");

/** `[1, 2]/1`: CAs 1 and 2 are trusted, and CA 1 signs. */
function parse(text: string): { trusted: number[]; issuer: number } {
    const [list, issuer] = text.split("/");
    return { trusted: JSON.parse(list!) as number[], issuer: Number(issuer) };
}

function step(from: string | undefined, to: string): string | undefined {
    const { trusted, issuer } = parse(from ?? "[]/0");
    const authorities = new Map(trusted.map((at) => [at, { end: END, held: END }]));
    const before = { authorities, issuer: from === undefined ? undefined : issuer };
    return authoritiesProblem(before, parse(to));
}

describe("a change of the trusted CAs", () => {
    for (const [from, to] of [
        [undefined, "[1]/1"],
        [undefined, "[2]/2"],
        [undefined, "[1, 2]/2"],
        ["[1]/1", "[1]/1"],
        ["[1]/1", "[1, 2]/1"],
        ["[1, 2]/1", "[1, 2]/2"],
        ["[1, 2]/2", "[2]/2"],
        // Either CA leads to what the other signs, so both steps at once are none too many.
        ["[1]/1", "[1, 2]/2"],
        ["[1, 2]/2", "[2, 3]/2"],
        ["[1, 2]/2", "[2, 3]/3"],
        // Back again.
        ["[1, 2]/1", "[1]/1"],
        ["[1, 2]/2", "[1, 2]/1"],
    ] as const) {
        it(`is taken ${from === undefined ? "at first" : `from ${from}`} to ${to}`, () => {
            assert.equal(step(from, to), undefined);
        });
    }

    for (const [from, to, first] of [
        ["[1]/1", "[2]/2", "[1, 2]"],
        ["[1, 2]/1", "[3]/3", "[2, 3]"],
        ["[1]/1", "[2, 3]/2", "[1, 2]"],
    ] as const) {
        it(`is refused from ${from} to ${to}, since no client would get in`, () => {
            const problem = step(from, to)!;
            assert.match(
                problem,
                /^caTrusted: no CA that clients trust now \([\d, ]+\) would be left/,
            );
            assert.ok(problem.includes(`; trust ${first} first, and `), problem);
            assert.ok(problem.endsWith(`; it is ${JSON.stringify(parse(to).trusted)}`), problem);
        });
    }

    for (const [from, to, both, issuer] of [
        ["[1, 2]/1", "[2]/2", "[1, 2]", 2],
        ["[1, 2]/2", "[1]/1", "[1, 2]", 1],
        ["[1, 2]/1", "[2, 3]/2", "[1, 2]", 2],
        ["[1, 2]/1", "[2, 3]/3", "[1, 2]", 2],
    ] as const) {
        it(`is refused from ${from} to ${to}, since it drops the one that signs`, () => {
            const { issuer: signs } = parse(from);
            const problem = step(from, to)!;
            assert.match(problem, new RegExp(`^caTrusted: CA ${signs} signs now, `));
            const way = `; first caTrusted: ${both} with caIssuer: ${issuer} and an \`up\`, and drop CA ${signs} in a later one; it is `;
            assert.ok(problem.includes(way), problem);
            // The way that it names is one.
            const next = `${both}/${issuer}`;
            assert.equal(step(from, next), undefined);
            assert.equal(step(next, to), undefined);
        });
    }

    for (const [from, to] of [
        ["[2]/2", "[1, 2]/2"],
        ["[2]/2", "[1]/1"],
        ["[1, 3]/3", "[2, 3]/3"],
    ] as const) {
        it(`is refused from ${from} to ${to}, since a new CA would have an old one's name`, () => {
            const number = parse(to).trusted[0];
            assert.match(
                step(from, to)!,
                new RegExp(`^caTrusted: CA ${number} would be a new one, .*; take [34]; it is `),
            );
        });
    }

    it("goes by what clients trust where nothing says who signed", () => {
        const authorities = new Map([1, 2].map((at) => [at, { end: END, held: END }]));
        const before = { authorities, issuer: undefined };
        assert.equal(authoritiesProblem(before, { trusted: [2], issuer: 2 }), undefined);
        assert.match(authoritiesProblem(before, { trusted: [3], issuer: 3 })!, /would be left/);
    });
});
