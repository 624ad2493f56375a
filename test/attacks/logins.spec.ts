// core
import assert from "node:assert/strict";
import { VERIFIER } from "../../verification/verifier.ts";
import { Front, KINDS, newPasswords, USERS } from "./support/front.ts";
import { LEVELS, property, subscribe, type Connect } from "./support/packets.ts";

const GUESSES = ["", "appkata", "admin", "password", "mosquitto", VERIFIER, "appkata-monitor"];

type Login = Partial<Connect>;

/** Passwords and hashes that an attacker may know. */
interface Secrets {
    alice: string;
    bob: string;
    zoe: string;
    /** Alice's password until now. */
    former: string;
    /** The password of a user that is removed. */
    mallory: string;
    /** Alice's, in the password file. */
    hash: string;
    /** The name of the broker's monitor, new at each start. */
    monitor: string;
}

type Attack = [name: string, login: (secrets: Secrets) => Login];
type Change = [how: string, change: (text: string) => string];

const as = (username: string, password: string): Login => ({ username, password });

const CHANGES: Change[] = [
    ["in capitals", (text) => text.toUpperCase()],
    ["with a space after it", (text) => `${text} `],
    ["with a line's end after it", (text) => `${text}\n`],
    ["without its last character", (text) => text.slice(0, -1)],
    ["with 65,000 bytes after it", (text) => text.padEnd(65_000, "x")],
];
const AFTER_NUL: Change[] = [
    ["with a NUL after it", (text) => `${text}\0`],
    ["with more after a NUL", (text) => `${text}\0more`],
];

/** Logins that no version of MQTT lets in. */
const LOGINS: Attack[] = [
    ["no user and no password", () => ({})],
    ["an empty user and an empty password", () => as("", "")],
    ["alice's password without a user", ({ alice }) => ({ password: alice })],
    ["alice's password with an empty user", ({ alice }) => as("", alice)],
    ["alice's name as the client ID alone", () => ({ clientId: "alice" })],
    ["a user without a password", () => ({ username: "alice" })],
    ["an empty password", () => as("alice", "")],
    ["a wrong password", () => as("alice", "wrong")],
    ["the user's name as the password", () => as("alice", "alice")],
    ["bob's password for alice", ({ bob }) => as("alice", bob)],
    ["alice's former password", ({ former }) => as("alice", former)],
    ["a removed user's password", ({ mallory }) => as("mallory", mallory)],
    ["alice's hash as the password", ({ hash }) => as("alice", hash)],
    ["alice's line of the password file", ({ hash }) => as("alice", `alice:${hash}`)],
    ["a wrong password, then alice's", ({ alice }) => as("alice", `wrong\0${alice}`)],
    ["an empty password, then alice's", ({ alice }) => as("alice", `\0${alice}`)],
    ...CHANGES.map(([how, change]): Attack => {
        return [`alice's password ${how}`, ({ alice }) => as("alice", change(alice))];
    }),
    ...[...CHANGES, ...AFTER_NUL].map(([how, change]): Attack => {
        return [`alice's name ${how}`, ({ alice }) => as(change("alice"), alice)];
    }),
    ["alice's name after a space", ({ alice }) => as(" alice", alice)],
    ["alice's name after a byte order mark", ({ alice }) => as("\ufeffalice", alice)],
    ["alice's name after an escape character", ({ alice }) => as("\u001balice", alice)],
    ["alice's name with a Cyrillic a", ({ alice }) => as("\u0430lice", alice)],
    ["alice's name with an accent", ({ alice }) => as("alice\u0301", alice)],
    ["alice's name and password with a colon between", ({ alice }) => as(`alice:${alice}`, "")],
    ["alice's name and, on a second line, bob's", ({ alice }) => as("alice\nbob", alice)],
    ["zo\u00eb's name in decomposed Unicode", ({ zoe }) => as("zoe\u0308", zoe)],
    [
        "zo\u00eb's name in Latin-1",
        ({ zoe }) => ({ username: Buffer.from("zo\u00eb", "latin1"), password: zoe }),
    ],
    ...["+", "#", "%u", "al+", "*"].map((name): Attack => {
        return [`the user ${name} with alice's password`, ({ alice }) => as(name, alice)];
    }),
    ...(["verification", "monitor"] as const).flatMap((who): Attack[] => {
        const name = ({ monitor }: Secrets) => (who === "monitor" ? monitor : VERIFIER);
        return [
            [`the ${who}'s user without a password`, (all) => ({ username: name(all) })],
            [`the ${who}'s user with alice's password`, (all) => as(name(all), all.alice)],
            [`the ${who}'s user with its name`, (all) => as(name(all), name(all))],
            ...GUESSES.map((guess): Attack => {
                return [`the ${who}'s user with "${guess}"`, (all) => as(name(all), guess)];
            }),
        ];
    }),
    ...["PLAIN", "SCRAM-SHA-256", ""].map((method): Attack => [
        `enhanced authentication by "${method}" instead of a password`,
        () => ({
            username: "alice",
            properties: [
                property.authenticationMethod(method),
                property.authenticationData("\0alice\0alice"),
            ],
        }),
    ]),
];

for (const kind of KINDS) {
    describe(`logins at ${kind.name}`, function () {
        this.timeout(60_000);
        const front = new Front(kind);
        let secrets: Secrets;

        before(async () => {
            const mallory = { ...USERS[0]!, name: "mallory" };
            front.passwords.set(mallory.name, newPasswords().get("alice")!);
            await front.change([...USERS, mallory]);
            await (await front.logIn("mallory")).leave();
            const former = front.passwords.get("alice")!;
            await (await front.logIn("alice")).leave();
            front.passwords.set("alice", newPasswords().get("alice")!);
            await front.change(USERS);
            const passwd = await front.broker.exec("cat", "/etc/mosquitto/passwd");
            const [alice, bob, zoe, removed] = ["alice", "bob", "zo\u00eb", "mallory"].map((name) =>
                front.passwords.get(name)!,
            ) as [string, string, string, string];
            const hash = /^alice:(.*)$/m.exec(passwd)![1]!;
            const [monitor] = /^appkata-monitor[^:]*/m.exec(passwd)!;
            secrets = { alice, bob, zoe, former, mallory: removed, hash, monitor };
        });

        it("the right password lets in, in every version of MQTT", async () => {
            for (const [level] of LEVELS) {
                for (const name of ["alice", "zo\u00eb"]) await front.logIn(name, { level });
            }
        });

        // Mosquitto reads passwords as C strings. The settings refuse a NUL in one.
        for (const [how, change] of AFTER_NUL) {
            it(`alice's password ${how} lets in as her password does`, async () => {
                const password = change(secrets.alice);
                for (const [level] of LEVELS) await front.logIn("alice", { level, password });
            });
        }

        for (const [attack, login] of LOGINS) {
            it(`${attack}: refused`, async () => {
                const levels = [...LEVELS.keys()];
                await Promise.all(
                    levels.map((level) => front.refuses({ level, ...login(secrets) })),
                );
            });
        }

        it("the answer does not tell whether a user exists", async () => {
            for (const [level] of LEVELS) {
                const answers: string[] = [];
                for (const name of ["alice", "nobody", "mallory", VERIFIER, secrets.monitor]) {
                    const answer = await front.refuses({ level, ...as(name, "wrong") });
                    answers.push(answer.toString("hex"));
                }
                assert.equal(new Set(answers).size, 1, answers.join());
            }
        });

        it("thirty wrong passwords do not lock alice out", async () => {
            for (let i = 0; i < 30; i++) await front.refuses({ level: 5, ...as("alice", "wrong") });
            await front.logIn("alice");
        });

        it("a refused login with alice's client ID neither cuts her off nor ends her session", async () => {
            const attack = async () => {
                for (const [level] of LEVELS) {
                    await front.refuses({ level, clientId: "alice's", ...as("alice", "wrong") });
                    await front.refuses({ level, clientId: "alice's" });
                }
            };
            const properties = [property.sessionExpiry(60)];
            const session = { clean: false, clientId: "alice's", properties };
            const alice = await front.logIn("alice", session);
            alice.send(subscribe({ level: 5, filters: ["alice/a"], options: 1 }));
            await attack();
            assert.ok(await alice.settled());
            await alice.leave();
            await attack();
            const [connack] = (await front.logIn("alice", session)).packets;
            assert.ok(connack?.cmd === "connack" && connack.sessionPresent);
        });
    });
}
