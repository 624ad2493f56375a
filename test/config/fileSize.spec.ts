import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { aclFile } from "../../broker/acl.ts";
import { deployedFrom, type Deployed } from "../../config/deployed.ts";
import { bytesAtMost, fileSecrets, fileSizeProblem } from "../../config/fileSize.ts";
import type { User } from "../../config/settings.ts";
import { listFile } from "../../components/revocation.ts";
import { packBundle, sizeProblem, splitBundle } from "../../providers/fly/secrets/bundle.ts";
import { VERIFIER, VERIFIER_ACCESS } from "../../verification/verifier.ts";
import { issue, makeAuthority } from "../../dev/harness/certificates.ts";

const NOTHING = { read: [], write: [], readWrite: [] };
const ONE_SECRET = 96_000;

function userOf(name: string, change: Partial<User> = {}): User {
    const everything = { everything: true as const, certificate: false, password: undefined };
    return { ...NOTHING, deny: [], name, ...everything, ...change };
}

function stackOf(count: number, revoked = 0): [Parameters<typeof bytesAtMost>[0], Deployed] {
    const users = Array.from({ length: count }, (_, i) => userOf(`user-${i}`));
    const deployed = {
        ...deployedFrom({}, new Date()),
        revoked: Array.from({ length: revoked }, (_, i) => `device-${i}`),
    };
    return [{ users, everyone: NOTHING, hostnames: [] }, deployed];
}

describe("the size of the broker's files", function () {
    this.timeout(60_000);
    /** The server's chain and key, and two CAs. */
    let fixed: Record<string, string>;

    before(async () => {
        const [authority, other] = [await makeAuthority(), await makeAuthority()];
        const { chain, key } = await issue(authority, ["appkata-mqtt-0123456789.fly.dev"]);
        const ca = authority.pem + other.pem;
        fixed = {
            "server.crt": chain + other.pem,
            "server.key": key,
            "client-ca.crt": ca,
            expiry: "server 1800000000\nca-1 1900000000\nca-2 2000000000\n",
        };
    });

    /** The files as the components make them, with random hashes, serials and signatures. */
    function bundleOf(
        { users, everyone }: Pick<Parameters<typeof bytesAtMost>[0], "users" | "everyone">,
        revoked: readonly string[],
    ): Buffer {
        const hash = (bytes: number) => randomBytes(bytes).toString("base64");
        const lines = [...users.map(({ name }) => name), VERIFIER].map(
            (name) => `${name}:$7$1000$${hash(12)}$${hash(64)}\n`,
        );
        const serials = revoked.map(() => randomBytes(16));
        const entries = serials.map((serial) =>
            // SEQUENCE { INTEGER, UTCTime }
            Buffer.concat([
                Buffer.from("3021021100", "hex"),
                serial,
                Buffer.from("170d3236313132393030303030305a", "hex"),
            ]),
        );
        const der = Buffer.concat([randomBytes(300), ...entries]).toString("base64");
        const pem = `-----BEGIN X509 CRL-----\n${der.replace(/.{64}/g, "$&\n")}\n-----END X509 CRL-----\n`;
        const listed = serials.map((serial, at) => ({
            serial: serial.toString("hex").toUpperCase(),
            name: revoked[at]!,
        }));
        const removed = revoked.filter((name) => !users.some((user) => user.name === name));
        const files = {
            ...fixed,
            passwd: lines.join(""),
            acl: aclFile({ users, everyone, internal: [VERIFIER_ACCESS], removed }),
            "client-ca.crl": listFile(listed, pem),
        };
        return packBundle({ number: Date.now(), app: "appkata-mqtt-0123456789", files });
    }

    const asSecret = (bundle: Buffer) => bundle.toString("base64").length;

    it("never exceeds the estimate, whatever the names and grants", () => {
        const word = fc.string({ minLength: 1, maxLength: 60, unit: "grapheme" });
        const name = word.map((text) => text.replaceAll(/[\s:]/g, "_"));
        const filters = fc.array(word, { maxLength: 5 });
        const user = fc
            .record({ name, read: filters, write: filters, deny: filters })
            .map(({ name, ...grants }) => userOf(name, { ...grants, everything: false }));
        const stack = fc.record({
            users: fc.array(user, { minLength: 1, maxLength: 300 }),
            everyone: fc.record({ read: filters, write: filters, readWrite: filters }),
            revoked: fc.array(name, { maxLength: 300 }),
        });
        fc.assert(
            fc.property(stack, ({ users, everyone, revoked }) => {
                const told = bytesAtMost({ users, everyone, hostnames: [] }, revoked);
                assert.ok(asSecret(bundleOf({ users, everyone }, revoked)) <= told);
            }),
            { numRuns: 150 },
        );
    });

    for (const [users, revoked] of [
        [1, 0],
        [300, 0],
        [1000, 1000],
        [5000, 5000],
    ] as const) {
        it(`is not overestimated by much: ${users} users, ${revoked} revoked`, () => {
            const [settings, deployed] = stackOf(users, revoked);
            const told = bytesAtMost(settings, deployed.revoked);
            const is = asSecret(bundleOf(settings, deployed.revoked));
            assert.ok(is <= told && told <= Math.max(1.8 * is, 14_000), `${is}, told as ${told}`);
        });
    }

    it("takes one secret, and sixteen if needed", () => {
        assert.equal(fileSecrets(...stackOf(1)), 1);
        assert.equal(fileSecrets(...stackOf(500)), 1);
        assert.equal(fileSecrets(...stackOf(1000)), 16);
        const [settings, deployed] = stackOf(700);
        assert.ok(bytesAtMost(settings, []) > ONE_SECRET);
        assert.equal(fileSecrets(settings, deployed), 16);
    });

    it("allows 5,000 users with 5,000 revoked certificates", () => {
        const [settings, deployed] = stackOf(5000, 5000);
        assert.equal(fileSizeProblem(settings, deployed), undefined);
        const names = Array.from({ length: 16 }, (_, i) => `MOSQUITTO_FILES_${i + 10}`);
        const values = splitBundle(bundleOf(settings, deployed.revoked), names);
        assert.equal(sizeProblem(values), undefined);
    });

    it("is refused if no machine could start, with the number of users that fit", () => {
        const [settings, deployed] = stackOf(12_000, 20);
        const problem = fileSizeProblem(settings, deployed) ?? "";
        const [, bytes, most, fitting] =
            /^users: 12000 users and 20 revoked certificates may take (\d+) bytes of the machine's environment, which has room for (\d+); with grants like these there is room for (\d+) users: /.exec(
                problem,
            ) ?? [];
        assert.ok(Number(bytes) > Number(most), problem);
        assert.equal(most, String(16 * ONE_SECRET));
        assert.equal(fileSizeProblem(...stackOf(Number(fitting), 20)), undefined);
        assert.notEqual(fileSizeProblem(...stackOf(Number(fitting) + 200, 20)), undefined);
    });

    it("counts devices that this change removes", () => {
        const [settings, deployed] = stackOf(2);
        const clients = new Map(Array.from({ length: 1000 }, (_, i) => [`pump-${i}`, new Date()]));
        const before: Deployed = { ...deployed, clients };
        assert.equal(fileSecrets(settings, before), 16);
    });
});
