// core
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { RevocationList } from "../../providers/entry.ts";
import {
    nextList,
    type RevocationListInputs,
    type RevocationListOutputs,
} from "../../providers/kept/revocationList.ts";
import { capture } from "../../lib/process.ts";
import { certificatesIn } from "../../lib/pem.ts";
import { issue, keyOf, makeAuthority, type Authority } from "../../dev/harness/certificates.ts";

const DAY = 24 * 3600 * 1000;

/** Verified by OpenSSL, like in the broker. */
describe("a CA's revocation list", () => {
    let folder: string;
    let authority: Authority;
    let caKeyPem: string;
    const pems: Record<string, string> = {};

    before(async () => {
        folder = mkdtempSync(path.join(tmpdir(), "revocation-"));
        authority = await makeAuthority("Test CA");
        caKeyPem = await keyOf(authority);
        const other = await makeAuthority("Test CA 2");
        pems.foreign = certificatesIn((await issue(other, ["pump"], { client: true })).chain)[0]!;
        for (const name of ["pump", "lamp", "pump renewed", "pump again"]) {
            const { chain } = await issue(authority, [name], { client: true });
            pems[name] = certificatesIn(chain)[0]!;
        }
    });
    after(() => rmSync(folder, { recursive: true, force: true }));

    const inputs = (
        certificates: Record<string, string>,
        names = Object.keys(certificates),
    ): RevocationListInputs => ({ caCertPem: authority.pem, caKeyPem, names, certificates });

    const both = () => inputs({ pump: pems.pump!, lamp: pems.lamp! });

    function write(list: RevocationListOutputs): void {
        writeFileSync(path.join(folder, "ca.pem"), list.caCertPem);
        writeFileSync(path.join(folder, "crl.pem"), list.crlPem);
    }

    /** `OK`, or OpenSSL's reason, at a given time. */
    async function judge(
        list: RevocationListOutputs,
        certificate: string,
        at = new Date(),
    ): Promise<string> {
        write(list);
        const file = path.join(folder, "certificate.pem");
        writeFileSync(file, pems[certificate]!);
        const when = String(Math.floor(at.getTime() / 1000));
        const { stdout, stderr } = await capture([
            ...["openssl", "verify", "-crl_check", "-attime", when],
            ...["-CAfile", path.join(folder, "ca.pem"), "-CRLfile", path.join(folder, "crl.pem")],
            file,
        ]);
        return /: (OK)$/m.exec(stdout)?.[1] ?? /lookup: (.*)$/m.exec(stderr)?.[1] ?? stderr;
    }

    async function text(list: RevocationListOutputs): Promise<string> {
        write(list);
        const crl = ["-in", path.join(folder, "crl.pem"), "-noout", "-text"];
        return (await capture(["openssl", "crl", ...crl])).stdout;
    }

    it("starts with certificates that the CA signed before the list existed", async () => {
        const earlier = { pump: pems.pump!, lamp: pems.lamp!, sensor: pems.foreign! };
        const first = { ...inputs({ lamp: pems.lamp! }), earlier };
        const { outs } = await RevocationList.create(first);
        assert.deepEqual(
            outs!.revoked.map(({ name }) => name),
            ["pump"],
        );
        assert.equal(await judge(outs!, "pump"), "certificate revoked");
        assert.equal(await judge(outs!, "lamp"), "OK");
        // The next `up` has none to add, and changes nothing.
        const { changes } = await RevocationList.diff("", outs!, inputs({ lamp: pems.lamp! }));
        assert.equal(changes, false);
    });

    it("continues the former list if it is created again", async () => {
        const first = await nextList(both(), undefined, new Date());
        const second = await nextList(inputs({ lamp: pems["pump again"]! }), first, new Date());
        const { issued, revoked, number, thisUpdate } = second;
        const before = { issued, revoked, number, thisUpdate };
        const { outs } = await RevocationList.create({ ...inputs({}, ["lamp"]), before });
        assert.equal(await judge(outs!, "pump"), "certificate revoked");
        assert.equal(outs!.number, number + 1);
        assert.ok(outs!.thisUpdate > thisUpdate, "OpenSSL takes the later of two");
        assert.deepEqual(outs!.issued, issued);
    });

    it("is empty at first, and valid until the CA expires", async () => {
        const { id, outs } = await RevocationList.create(both());
        assert.equal(id, "CN=Test CA");
        assert.ok(outs);
        assert.deepEqual(outs.revoked, []);
        const shown = await text(outs);
        assert.match(shown, /No Revoked Certificates/);
        assert.match(shown, /X509v3 CRL Number: \s+1\s/);
        assert.match(shown, /X509v3 Authority Key Identifier/);
        for (const name of ["pump", "lamp"]) {
            assert.equal(await judge(outs, name), "OK");
            // A broker whose clock is slow accepts it too.
            assert.equal(await judge(outs, name, new Date(Date.now() - (0.9 * DAY) / 24)), "OK");
            assert.equal(await judge(outs, name, new Date(Date.now() + 29 * DAY)), "OK");
        }
    });

    it("has the certificates of a removed name, and of no other", async () => {
        const { outs: first } = await RevocationList.create(both());
        const { outs } = await RevocationList.update("", first!, inputs({ lamp: pems.lamp! }));
        assert.ok(outs);
        assert.deepEqual(
            outs.revoked.map(({ name }) => name),
            ["pump"],
        );
        assert.equal(await judge(outs, "pump"), "certificate revoked");
        assert.equal(await judge(outs, "lamp"), "OK");
        assert.ok(outs.thisUpdate > first!.thisUpdate, "OpenSSL takes the later of two");
        assert.match(await text(outs), /X509v3 CRL Number: \s+2\s/);
    });

    it("includes certificates that were renewed meanwhile, which are valid until they expire", async () => {
        const first = await nextList(both(), undefined, new Date());
        const renewed = inputs({ pump: pems["pump renewed"]!, lamp: pems.lamp! });
        const second = await nextList(renewed, first, new Date());
        assert.equal(second.crlPem, first.crlPem, "nothing is revoked, so nothing is signed");
        assert.equal(await judge(second, "pump"), "OK");
        const third = await nextList(inputs({ lamp: pems.lamp! }), second, new Date());
        for (const name of ["pump", "pump renewed"]) {
            assert.equal(await judge(third, name), "certificate revoked");
        }
    });

    it("keeps the old ones when the name returns with another certificate", async () => {
        const first = await nextList(both(), undefined, new Date());
        const second = await nextList(inputs({ lamp: pems.lamp! }), first, new Date());
        const again = inputs({ pump: pems["pump again"]!, lamp: pems.lamp! });
        const third = await nextList(again, second, new Date());
        assert.equal(third.crlPem, second.crlPem);
        assert.equal(await judge(third, "pump"), "certificate revoked");
        assert.equal(await judge(third, "pump again"), "OK");
    });

    it("revokes nothing when another CA signs for the same names", async () => {
        const first = await nextList(both(), undefined, new Date());
        const second = await nextList(inputs({}, ["pump", "lamp"]), first, new Date());
        assert.equal(second.crlPem, first.crlPem);
        const third = await nextList(inputs({}, ["lamp"]), second, new Date());
        assert.equal(await judge(third, "pump"), "certificate revoked");
        assert.equal(await judge(third, "lamp"), "OK");
    });

    it("drops an expired certificate", async () => {
        const first = await nextList(both(), undefined, new Date());
        const second = await nextList(inputs({ lamp: pems.lamp! }), first, new Date());
        assert.equal(second.revoked.length, 1);
        const later = new Date(Date.now() + 31 * DAY);
        const third = await nextList(inputs({}, ["lamp"]), second, later);
        assert.deepEqual([third.revoked, third.issued], [[], []]);
    });

    it("is dated after the one before, however quickly they follow", async () => {
        const now = new Date();
        const first = await nextList(both(), undefined, now);
        const second = await nextList(inputs({ lamp: pems.lamp! }), first, now);
        const third = await nextList(inputs({}), second, now);
        const times = [first, second, third].map(({ thisUpdate }) => Date.parse(thisUpdate));
        assert.deepEqual(times, [times[0], times[0]! + 1000, times[0]! + 2000]);
    });

    it("has serial numbers that are read as they are written", async () => {
        for (const number of [127, 128, 255, 256, 32_767, 32_768]) {
            const before = {
                ...(await nextList(both(), undefined, new Date())),
                number: number - 1,
            };
            const list = await nextList(inputs({}), before, new Date());
            const hex = number.toString(16).padStart(2, "0").toUpperCase();
            assert.match(
                await text(list),
                new RegExp(`CRL Number: \\s+(${number}|0x0*${hex})\\s`, "i"),
            );
        }
    });

    it("changes with the CA's certificate, the names and the signed certificates only", async () => {
        const { outs } = await RevocationList.create(both());
        const differs = async (news: RevocationListInputs) =>
            (await RevocationList.diff("", outs!, news)).changes;
        assert.equal(await differs(both()), false);
        assert.equal(await differs({ ...both(), caCertPem: "another" }), true);
        assert.equal(await differs(inputs({ lamp: pems.lamp! })), true);
        assert.equal(await differs(inputs({ ...both().certificates, pump: "renewed" })), true);
    });
});
