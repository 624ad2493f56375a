import assert from "node:assert/strict";
import { devicesIn, passwordsIn, type State } from "../../config/known.ts";
import { pack } from "../../providers/packed.ts";

const ADA = {
    ...{ user: "ada", password: "ada's password", generated: true },
    ...{ iterations: 1000, hash: "$7$1000$salt$hash" },
};

/** A state with resources of these kinds. */
function stateWith(...all: [kind: string, outputs: Record<string, unknown>][]): State {
    return Object.fromEntries(
        all.map(([kind, outputs], at) => [
            `urn:${at}`,
            { type: `pulumi-nodejs:dynamic/kept:${kind}`, outputs },
        ]),
    );
}

describe("passwords that a stack has", () => {
    it("are those of the resource", () => {
        const known = {
            kept: [{ ...ADA, since: "2027-01-01T00:00:00.000Z" }],
            former: [{ user: "bob", password: "bob's password" }],
        };
        const outputs = { users: { ada: "an earlier one" } };
        const unhashed = { ...known, kept: [{ ...known.kept[0]!, iterations: 0, hash: "" }] };
        for (const kept of [known.kept, pack(known.kept)]) {
            const state = stateWith(["Passwords", { ...known, kept }]);
            assert.deepEqual(passwordsIn(state, outputs), unhashed);
        }
    });

    it("are those of an earlier version, with a resource for each user, and their hashes", () => {
        const state = stateWith(["Password", ADA], ["Password", { ...ADA, user: "constructor" }]);
        assert.deepEqual(passwordsIn(state, { users: { ada: "an earlier one" } }), {
            kept: ["ada", "constructor"].map((user) => ({ ...ADA, user, since: "" })),
            former: [],
        });
    });

    it("are those of the outputs if the resource is gone from the state", () => {
        const former = [{ user: "bob", password: "bob's password" }];
        const { kept, ...rest } = passwordsIn(stateWith(), {
            users: Object.fromEntries([["__proto__", "a password"]]),
            verifier: { username: "verifier", password: "another one" },
            verificationLogins: { users: [], userCount: 1, former },
        });
        assert.deepEqual(
            kept.map(({ user, password }) => ({ user, password })),
            [
                { user: "__proto__", password: "a password" },
                { user: "verifier", password: "another one" },
            ],
        );
        assert.deepEqual(rest, { former });
    });
});

describe("devices that a stack has", () => {
    const pair = { certificatePem: "certificate", privateKeyPem: "key" };
    const outputs = {
        clientCertificates: { lamp: pair },
        verificationLogins: {
            ...{ users: [], userCount: 0, former: [] },
            certificates: {
                port: 1,
                own: pair,
                foreign: pair,
                former: [{ name: "pump", ...pair }],
            },
        },
    };

    it("are those of the resource", () => {
        const known = { devices: [], former: [{ name: "lamp", ...pair }] };
        assert.deepEqual(devicesIn(stateWith(["FormerDevices", known]), outputs), known);
    });

    it("are those of the outputs if there is no resource", () => {
        assert.deepEqual(devicesIn(stateWith(), outputs), {
            devices: [{ name: "lamp", ...pair }],
            former: [{ name: "pump", ...pair }],
        });
    });
});
