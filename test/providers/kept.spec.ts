import assert from "node:assert/strict";
import { Name, Password } from "../../providers/entry.ts";
import { verifyPassword, type PasswordInputs } from "../../providers/kept/password.ts";

async function make(inputs: PasswordInputs) {
    const { outs } = await Password.create(inputs);
    assert.ok(outs);
    return outs;
}

describe("kept name", () => {
    it("is the prefix and six random characters", async () => {
        const { id, outs } = await Name.create({ prefix: "appkata-mqtt-dev" });
        assert.match(outs?.name ?? "", /^appkata-mqtt-dev-[a-z0-9]{6}$/);
        assert.equal(id, outs?.name);
    });

    it("is another one each time it is made", async () => {
        const made = await Promise.all(
            Array.from({ length: 50 }, () => Name.create({ prefix: "a" })),
        );
        assert.equal(new Set(made.map(({ id }) => id)).size, 50);
    });

    it("stays, through diff and read, while its prefix does", async () => {
        const { id, outs } = await Name.create({ prefix: "a" });
        assert.ok(outs);
        assert.deepEqual(await Name.diff(id, outs, { prefix: "a" }), {
            changes: false,
            replaces: [],
        });
        assert.deepEqual(await Name.diff(id, outs, { prefix: "b" }), {
            changes: true,
            replaces: ["prefix"],
        });
        assert.deepEqual(await Name.read(id, outs), { id, props: outs });
    });
});

describe("kept password", () => {
    const inputs: PasswordInputs = { user: "tester", iterations: 1000 };

    it("is hashed as Mosquitto reads it: 12 bytes of salt, 64 of hash, padded base64", async () => {
        const { hash } = await make({ ...inputs, password: "a given password" });
        const [, type, iterations, salt, key] = hash.split("$");
        assert.equal(type, "7");
        assert.equal(iterations, "1000");
        assert.match(salt ?? "", /^[A-Za-z0-9+/]{16}$/);
        assert.match(key ?? "", /^[A-Za-z0-9+/]{86}==$/);
        assert.equal(Buffer.from(salt ?? "", "base64").length, 12);
        assert.equal(Buffer.from(key ?? "", "base64").length, 64);
    });

    it("has a hash that fits it and nothing else", async () => {
        const { hash } = await make({ ...inputs, password: "pässword 2" });
        assert.equal(await verifyPassword("pässword 2", hash), true);
        assert.equal(await verifyPassword("pässword 3", hash), false);
        assert.equal(await verifyPassword("pässword 2", "$6$other"), false);
    });

    it("is 24 url-safe characters when none is given", async () => {
        const { password, generated } = await make(inputs);
        assert.match(password, /^[A-Za-z0-9_-]{24}$/);
        assert.equal(generated, true);
        assert.notEqual(password, (await make(inputs)).password);
    });

    const given = { ...inputs, password: "a given password" };
    for (const [what, from, to, expected] of [
        ["nothing, generated", inputs, inputs, { changes: false, replaces: [] }],
        ["nothing, given", given, given, { changes: false, replaces: [] }],
        [
            "another password",
            given,
            { ...given, password: "another one" },
            { changes: true, replaces: [] },
        ],
        ["a password given at last", inputs, given, { changes: true, replaces: [] }],
        ["a password withdrawn", given, inputs, { changes: true, replaces: [] }],
        ["iterations", inputs, { ...inputs, iterations: 2000 }, { changes: true, replaces: [] }],
        ["the user", inputs, { ...inputs, user: "b" }, { changes: true, replaces: ["user"] }],
    ] as const) {
        it(`diffs ${what}`, async () => {
            const olds = await make(from);
            assert.deepEqual(await Password.diff(olds.user, olds, to), expected);
        });
    }

    it("keeps a generated password, and hashes it anew, when the iterations change", async () => {
        const olds = await make(inputs);
        const { outs } = await Password.update("tester", olds, { ...inputs, iterations: 2000 });
        assert.equal(outs?.password, olds.password);
        assert.match(outs?.hash ?? "", /^\$7\$2000\$/);
        assert.equal(await verifyPassword(olds.password, outs?.hash ?? ""), true);
    });

    it("hashes a changed password, and keeps the hash of an unchanged one", async () => {
        const olds = await make(given);
        const same = await Password.update("tester", olds, given);
        assert.equal(same.outs?.hash, olds.hash);
        const news = { ...given, password: "another one" };
        const changed = await Password.update("tester", olds, news);
        assert.equal(await verifyPassword("another one", changed.outs?.hash ?? ""), true);
    });

    it("makes a new one when a given password is withdrawn", async () => {
        const { outs } = await Password.update("tester", await make(given), inputs);
        assert.match(outs?.password ?? "", /^[A-Za-z0-9_-]{24}$/);
        assert.equal(outs?.generated, true);
    });
});
