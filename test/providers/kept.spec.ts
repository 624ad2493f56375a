import assert from "node:assert/strict";
import { FormerDevices, Name, Password, Passwords } from "../../providers/entry.ts";
import { MAX_FORMER_DEVICES } from "../../providers/kept/formerDevices.ts";
import { verifyPassword } from "../../providers/kept/password.ts";
import {
    MAX_FORMER,
    type PasswordsInputs,
    type PasswordsOutputs,
    type UserPassword,
} from "../../providers/kept/passwords.ts";
import { issue, makeAuthority } from "../../dev/harness/certificates.ts";

describe("kept name", () => {
    it("is the prefix and six random characters", async () => {
        const { id, outs } = await Name.create({ prefix: "appkata-mqtt-dev" });
        assert.match(outs?.name ?? "", /^appkata-mqtt-dev-[a-z0-9]{6}$/);
        assert.equal(id, outs?.name);
    });

    it("is different each time it is created", async () => {
        const made = await Promise.all(
            Array.from({ length: 50 }, () => Name.create({ prefix: "a" })),
        );
        assert.equal(new Set(made.map(({ id }) => id)).size, 50);
    });

    it("stays the same in diff and read, whatever its prefix would be now", async () => {
        const { id, outs } = await Name.create({ prefix: "a" });
        assert.ok(outs);
        assert.deepEqual(await Name.diff(id, outs, { prefix: "a" }), {
            changes: false,
            replaces: [],
        });
        assert.deepEqual(await Name.diff(id, outs, { prefix: "b" }), {
            changes: false,
            replaces: [],
        });
        assert.deepEqual(await Name.read(id, outs), { id, props: outs });
    });
});

describe("kept name of a stack that already has one", () => {
    it("is the same if it is created again, whatever the prefix", async () => {
        const { id, outs } = await Name.create({ prefix: "renamed", current: "as-it-was-abc123" });
        assert.equal(id, "as-it-was-abc123");
        assert.equal(outs!.name, "as-it-was-abc123");
    });
});

describe("kept passwords", () => {
    const of = (...users: UserPassword[]): PasswordsInputs => ({ users, iterations: 1000 });

    async function make(inputs: PasswordsInputs): Promise<PasswordsOutputs> {
        const { outs } = await Passwords.create(inputs);
        assert.ok(outs);
        return outs;
    }

    async function update(
        olds: PasswordsOutputs,
        news: PasswordsInputs,
    ): Promise<PasswordsOutputs> {
        const { outs } = await Passwords.update("passwords", olds, news);
        assert.ok(outs);
        return outs;
    }

    it("are hashed with more rounds if the user set them, also those of an earlier version", async () => {
        const users = [{ user: "ada" }, { user: "grace", password: "a given password" }];
        const olds = await make({ users, iterations: 1000 });
        const news = { users, iterations: 1000, givenIterations: 2000 };
        const { changes, replaces } = await Passwords.diff("passwords", olds, news);
        assert.deepEqual([changes, replaces], [true, []]);
        const next = await update(olds, news);
        assert.deepEqual(
            next.kept.map(({ hash }) => hash.split("$")[2]),
            ["1000", "2000"],
        );
        assert.equal(next.kept[0]!.hash, olds.kept[0]!.hash);
        assert.equal(next.kept[1]!.since, olds.kept[1]!.since);
        assert.equal((await Passwords.diff("passwords", next, news)).changes, false);
    });

    it("are hashed as Mosquitto reads them: 12 bytes of salt, 64 of hash, padded base64", async () => {
        const { kept } = await make(of({ user: "ada", password: "a given password" }));
        const [, type, iterations, salt, key] = kept[0]!.hash.split("$");
        assert.equal(type, "7");
        assert.equal(iterations, "1000");
        assert.match(salt ?? "", /^[A-Za-z0-9+/]{16}$/);
        assert.match(key ?? "", /^[A-Za-z0-9+/]{86}==$/);
    });

    it("have hashes that match them and nothing else", async () => {
        const { kept } = await make(of({ user: "ada", password: "pässword 2" }));
        const { hash } = kept[0]!;
        assert.equal(await verifyPassword("pässword 2", hash), true);
        assert.equal(await verifyPassword("pässword 3", hash), false);
        assert.equal(await verifyPassword("pässword 2", "$6$other"), false);
    });

    it("are 24 random url-safe characters if none is set", async () => {
        const users = ["a.b", "constructor", "__proto__", "jürgen"].map((user) => ({ user }));
        const { kept } = await make(of(...users));
        assert.deepEqual(
            kept.map(({ user, generated }) => ({ user, generated })),
            users.map(({ user }) => ({ user, generated: true })),
        );
        for (const { password } of kept) assert.match(password, /^[A-Za-z0-9_-]{24}$/);
        assert.equal(new Set(kept.map(({ password }) => password)).size, users.length);
    });

    it("are unchanged while users, set passwords and iterations are", async () => {
        const inputs = of({ user: "ada" }, { user: "grace", password: "a given password" });
        const olds = await make(inputs);
        const diff = (news: PasswordsInputs) => Passwords.diff("passwords", olds, news);
        assert.deepEqual(await diff(inputs), { changes: false, replaces: [] });
        const earlier = { kept: olds.kept, former: [] };
        assert.deepEqual(await diff({ ...inputs, earlier }), { changes: false, replaces: [] });
        for (const news of [
            of({ user: "ada" }),
            of({ user: "ada" }, { user: "grace" }),
            of({ user: "ada" }, { user: "grace", password: "another one" }),
            { ...inputs, iterations: 2000 },
        ]) {
            assert.deepEqual(await diff(news), { changes: true, replaces: [] });
        }
    });

    it("stay with their hashes when another user is added or removed", async () => {
        const ada = { user: "ada" };
        const olds = await make(of(ada));
        const more = await update(olds, of(ada, { user: "grace" }));
        assert.deepEqual(more.kept[0], olds.kept[0]);
        assert.deepEqual((await update(more, of(ada))).kept, olds.kept);
    });

    it("are rehashed when the iterations change", async () => {
        const olds = await make(of({ user: "ada" }));
        const { kept } = await update(olds, { ...of({ user: "ada" }), iterations: 2000 });
        assert.equal(kept[0]!.password, olds.kept[0]!.password);
        assert.match(kept[0]!.hash, /^\$7\$2000\$/);
        assert.equal(await verifyPassword(olds.kept[0]!.password, kept[0]!.hash), true);
    });

    it("are generated if a set one is removed", async () => {
        const olds = await make(of({ user: "ada", password: "a given password" }));
        const { kept } = await update(olds, of({ user: "ada" }));
        assert.match(kept[0]!.password, /^[A-Za-z0-9_-]{24}$/);
        assert.equal(kept[0]!.generated, true);
    });

    it("are taken over from the stack, also from an earlier version", async () => {
        const olds = await make(of({ user: "ada" }, { user: "grace", password: "given password" }));
        const kept = olds.kept.map((one) => ({ ...one, since: "" }));
        const former = [{ user: "bob", password: "former password" }];
        const again = await make({
            ...of({ user: "ada" }, { user: "grace", password: "given password" }),
            earlier: { kept, former },
        });
        assert.deepEqual(again.kept, kept);
        assert.deepEqual(again.former, former);
    });

    it("take over nothing if the resource exists, so the state has them once", async () => {
        const inputs = of({ user: "ada" });
        const news = { ...inputs, earlier: { kept: [], former: [] } };
        assert.deepEqual((await Passwords.check(inputs, news)).inputs, inputs);
        for (const none of [{}, undefined] as unknown as PasswordsInputs[]) {
            assert.deepEqual((await Passwords.check(none, news)).inputs, news);
        }
        assert.deepEqual(Object.keys(await make(news)), ["iterations", "kept", "former"]);
    });

    it("of removed users and former ones are kept, newest first", async () => {
        const first = await make(of({ user: "ada", password: "password 1" }, { user: "bob" }));
        const bobs = { user: "bob", password: first.kept[1]!.password };
        const second = await update(first, of({ user: "ada", password: "password 2" }));
        assert.deepEqual(second.former, [{ user: "ada", password: "password 1" }, bobs]);
        const third = await update(
            second,
            of({ user: "ada", password: "password 1" }, { user: "bob" }),
        );
        assert.deepEqual(third.former, [{ user: "ada", password: "password 2" }, bobs]);
        assert.notEqual(third.kept[1]!.password, bobs.password);
    });

    it("that are valid again are no longer kept as former", async () => {
        const first = await make(of({ user: "bob", password: "password 1" }));
        const second = await update(first, of());
        const third = await update(second, of({ user: "bob", password: "password 1" }));
        assert.deepEqual(third.former, []);
    });

    it("are kept up to a maximum", async () => {
        const users = Array.from({ length: MAX_FORMER + 5 }, (_, at) => ({ user: `user-${at}` }));
        const { former } = await update(await make(of(...users)), of());
        assert.equal(former.length, MAX_FORMER);
    });

    it("of an earlier version's single resource can be read and removed", async () => {
        const olds = { user: "ada", password: "given password" };
        assert.deepEqual(await Password.read("ada", olds), { id: "ada", props: olds });
        await Password.delete("ada", olds);
    });
});

describe("kept devices", () => {
    it("are kept once they are removed, until their certificate expires", async () => {
        const authority = await makeAuthority();
        const device = async (name: string, notAfter?: Date) => {
            const { chain, key } = await issue(authority, [name], notAfter && { notAfter });
            return { name, certificatePem: chain, privateKeyPem: key };
        };
        const [lamp, pump] = [await device("lamp"), await device("pump")];
        const ended = await device("ended", new Date(Date.now() - 1000));
        const { outs: first } = await FormerDevices.create({ devices: [lamp, pump, ended] });
        assert.deepEqual(first?.former, []);
        const { outs: second } = await FormerDevices.update("", first, { devices: [pump] });
        assert.deepEqual(second?.former, [lamp]);
        const { outs: renewed } = await FormerDevices.update("", second, {
            devices: [await device("pump")],
        });
        assert.deepEqual(renewed?.former, [lamp]);
        const earlier = { devices: [lamp, pump], former: [ended] };
        const { outs: taken } = await FormerDevices.create({ devices: [pump], earlier });
        assert.deepEqual(taken, { devices: [pump], former: [lamp] });
        const many = await Promise.all(
            Array.from({ length: MAX_FORMER_DEVICES + 1 }, (_, at) => device(`d${at}`)),
        );
        const { outs: all } = await FormerDevices.create({ devices: many });
        const { outs: last } = await FormerDevices.update("", all!, { devices: [] });
        assert.equal(last?.former.length, MAX_FORMER_DEVICES);
    });
});
