import assert from "node:assert/strict";
import { authoritiesProblem } from "../../config/authorities.ts";

const END = new Date("2036-06-01T12:00:00Z");

type Before = Parameters<typeof authoritiesProblem>[0];

/** `[1, 2]/1`: CAs 1 and 2 are trusted, and CA 1 signs. */
function parse(text: string): { trusted: number[]; issuer: number } {
    const [list, issuer] = text.split("/");
    return { trusted: JSON.parse(list!) as number[], issuer: Number(issuer) };
}

/** A stack whose last `up` finished; `but` has the differences if it did not. */
function before(from: string | undefined, but: Partial<Before> = {}): Before {
    const { trusted, issuer } = parse(from ?? "[]/0");
    return {
        authorities: new Map(trusted.map((at) => [at, { end: END, held: END }])),
        issuer: from === undefined ? undefined : issuer,
        published: new Set(trusted),
        clientIssuers: new Map(),
        ...but,
    };
}

function step(from: string | undefined, to: string): string | undefined {
    return authoritiesProblem(before(from), parse(to), []);
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
        // Clients with either CA follow the other's signature, so both steps at once are safe.
        ["[1]/1", "[1, 2]/2"],
        ["[1, 2]/2", "[2, 3]/2"],
        ["[1, 2]/2", "[2, 3]/3"],
        // And back.
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
        it(`is refused from ${from} to ${to}, because no client would get in`, () => {
            const problem = step(from, to)!;
            assert.match(
                problem,
                /^caTrusted: drops every CA that clients trust now \([\d, ]+\), /,
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
        it(`is refused from ${from} to ${to}, because it drops the issuer`, () => {
            const { issuer: signs } = parse(from);
            const problem = step(from, to)!;
            assert.match(
                problem,
                new RegExp(`^caTrusted: CA ${signs} signed the current certificates, `),
            );
            const way = `; first caTrusted: ${both} with caIssuer: ${issuer} and an \`up\`, and drop CA ${signs} in a later one; it is `;
            assert.ok(problem.includes(way), problem);
            // The step that the error names works.
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
        it(`is refused from ${from} to ${to}, because a new CA would get an old one's name`, () => {
            const number = parse(to).trusted[0];
            assert.match(
                step(from, to)!,
                new RegExp(`^caTrusted: CA ${number} would be new, .*; use [34]; it is `),
            );
        });
    }

    it("uses the CAs that clients trust if the issuer is unknown", () => {
        const deployed = before("[1, 2]/1", { issuer: undefined });
        assert.equal(authoritiesProblem(deployed, { trusted: [2], issuer: 2 }, []), undefined);
        assert.match(
            authoritiesProblem(deployed, { trusted: [3], issuer: 3 }, [])!,
            /drops every CA/,
        );
    });
});

describe("a change of the trusted CAs after an interrupted up", () => {
    const issuers = (by: Record<string, number[]>) =>
        new Map(Object.entries(by).map(([name, all]) => [name, new Set(all)]));

    for (const [left, clientIssuers, named] of [
        ["has no new certificate yet", issuers({ pump: [1], lamp: [2] }), "pump"],
        ["was not told of its new one", issuers({ pump: [2, 1], lamp: [2] }), "pump"],
        ["is one of several", issuers({ pump: [1], lamp: [1] }), "lamp, pump"],
    ] as const) {
        it(`does not drop the CA of a device's certificate if it ${left}`, () => {
            const deployed = before("[1, 2]/2", { clientIssuers });
            const devices = ["lamp", "pump"];
            assert.equal(
                authoritiesProblem(deployed, parse("[2]/2"), devices),
                `caTrusted: CA 1 signed the certificates of ${named}, and dropping it would lock them out at once: the ` +
                    "`up` that was to renew them did not finish; first caTrusted: [1, 2] with caIssuer: 2 and an " +
                    "`up` that does, give them the new certificates (output clientCertificates), then drop " +
                    "CA 1; it is [2]",
            );
            assert.equal(authoritiesProblem(deployed, parse("[1, 2]/2"), devices), undefined);
            assert.match(authoritiesProblem(deployed, parse("[2, 3]/3"), devices)!, /CA 1 signed/);
        });
    }

    it("drops a CA when all devices have new certificates, and for a removed device", () => {
        const deployed = before("[1, 2]/2", { clientIssuers: issuers({ pump: [1], lamp: [2] }) });
        assert.equal(authoritiesProblem(deployed, parse("[2]/2"), ["lamp"]), undefined);
        assert.equal(authoritiesProblem(deployed, parse("[2]/2"), []), undefined);
    });

    it("names five devices, and counts the rest", () => {
        const devices = ["a", "b", "c", "d", "e", "f", "g"];
        const clientIssuers = issuers(Object.fromEntries(devices.map((name) => [name, [1]])));
        const deployed = before("[1, 2]/2", { clientIssuers });
        const problem = authoritiesProblem(deployed, parse("[2]/2"), devices)!;
        assert.match(
            problem,
            / of a, b, c, d, e and 2 more, and dropping it would lock them out at once/,
        );
    });

    it("returns to the old CA only if no device can have a certificate of the new", () => {
        const deployed = before("[1, 2]/1", { clientIssuers: issuers({ pump: [1, 2] }) });
        const problem = authoritiesProblem(deployed, parse("[1]/1"), ["pump"]);
        assert.match(
            problem!,
            /^caTrusted: CA 2 signed .*; first caTrusted: \[1, 2\] with caIssuer: 1 /,
        );
    });

    it("keeps a published CA, because clients do not know the new one yet", () => {
        const deployed = before("[1, 2]/2", { published: new Set([1]) });
        assert.match(
            authoritiesProblem(deployed, parse("[2]/2"), [])!,
            /^caTrusted: drops every CA that clients trust now \(1\), .*; trust \[1, 2\] first, /,
        );
        assert.equal(authoritiesProblem(deployed, parse("[1, 2]/2"), []), undefined);
    });

    it("uses the state if no up has finished yet", () => {
        const deployed = before("[1, 2]/2", { published: new Set() });
        assert.equal(authoritiesProblem(deployed, parse("[2]/2"), []), undefined);
    });
});
