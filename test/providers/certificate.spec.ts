// core
import assert from "node:assert/strict";
import { App, Certificate, IpAddress } from "../../providers/entry.ts";
import type { CertificateInputs } from "../../providers/fly/certificate.ts";
import { issue, makeAuthority } from "../../dev/harness/certificates.ts";
import { AppFixture, failureOf, outsOf, OWNER } from "./support/flyFixture.ts";

const HOSTNAME = "mqtt.example.com";

describe("fly certificate", function () {
    this.timeout(60_000);
    const on = new AppFixture();
    let path: string;

    beforeEach(() => {
        path = `/v1/apps/${on.app}/certificates`;
    });

    const inputs = (hostname = HOSTNAME): CertificateInputs => ({
        ...on.place,
        hostname,
    });

    interface Summary {
        hostname: string;
        acme_requested: boolean;
        has_custom_certificate: boolean;
    }

    async function atFly(): Promise<string[]> {
        const { certificates } = await on.api.ok<{ certificates: Summary[] }>(
            "GET",
            `/apps/${on.app}/certificates`,
        );
        return certificates.map((one) =>
            [
                one.hostname,
                ...(one.acme_requested ? ["acme"] : []),
                ...(one.has_custom_certificate ? ["custom"] : []),
            ].join(" "),
        );
    }

    /** Uploads a certificate by hand, as its owner would. */
    async function upload(): Promise<void> {
        const { chain, key } = await issue(await makeAuthority(), [HOSTNAME]);
        const body = { hostname: HOSTNAME, fullchain: chain, private_key: key };
        await on.api.ok("POST", `/apps/${on.app}/certificates/custom`, body);
    }

    it("takes two requests, and lists the DNS records to set", async () => {
        const { outs: v4 } = await IpAddress.create({ ...inputs(), type: "v4" });
        const { outs: v6 } = await IpAddress.create({ ...inputs(), type: "v6" });
        let made: Awaited<ReturnType<typeof Certificate.create>> | undefined;
        const requests = await on.requestsOf(async () => {
            made = await Certificate.create(inputs());
        });
        assert.deepEqual(requests, [`GET ${path}/${HOSTNAME} 404`, `POST ${path}/acme 201`]);
        assert.equal(made?.id, HOSTNAME);
        const { status, configured, dnsRequirements } = outsOf(made);
        assert.equal(status, "pending_validation");
        assert.equal(configured, false);
        assert.deepEqual(dnsRequirements.a, [v4?.address]);
        assert.deepEqual(dnsRequirements.aaaa, [v6?.address]);
        assert.equal(dnsRequirements.cname, `${on.app}.fly.dev`);
        assert.equal(dnsRequirements.acmeChallenge.name, `_acme-challenge.${HOSTNAME}`);
        assert.match(dnsRequirements.acmeChallenge.target, /\.flydns\.net$/);
        assert.equal(dnsRequirements.ownership.name, `_fly-ownership.${HOSTNAME}`);
        assert.match(dnsRequirements.ownership.appValue, /^app-/);
        assert.match(dnsRequirements.ownership.orgValue, /^org-/);
    });

    for (const hostname of [HOSTNAME, "*.example.com"]) {
        it(`for ${hostname} is created, read and removed`, async () => {
            const { id, outs } = await Certificate.create(inputs(hostname));
            assert.ok(outs);
            const seen = await Certificate.read(id, outs);
            assert.deepEqual(seen, { id: hostname, props: outs, inputs: inputs(hostname) });
            const requests = await on.requestsOf(() => Certificate.delete(id, outs));
            assert.match(requests.at(-1) ?? "", /^DELETE .*example\.com 204$/);
            assert.deepEqual(await atFly(), []);
            assert.deepEqual(await Certificate.read(id, outs), {});
            await Certificate.delete(id, outs);
        });
    }

    it("is adopted if it exists, with one request and no change", async () => {
        await on.api.ok("POST", `/apps/${on.app}/certificates/acme`, { hostname: HOSTNAME });
        const requests = await on.requestsOf(() => Certificate.create(inputs()));
        assert.deepEqual(requests, [`GET ${path}/${HOSTNAME} 200`]);
    });

    it("is read with its present status, which the program does not see as a difference", async () => {
        const { id, outs } = await Certificate.create(inputs());
        assert.ok(outs);
        await upload();
        const { props } = await Certificate.read(id, outs);
        assert.equal(props?.status, "active");
        assert.equal(props?.configured, true);
        assert.equal((await Certificate.diff(id, props, inputs())).changes, false);
    });

    it("coexists with an uploaded one, which stays when ours is removed", async () => {
        await upload();
        const { id, outs } = await Certificate.create(inputs());
        assert.ok(outs);
        assert.deepEqual(await atFly(), [`${HOSTNAME} acme custom`]);
        await Certificate.delete(id, outs);
        assert.deepEqual(await atFly(), [`${HOSTNAME} custom`]);
        assert.deepEqual(await Certificate.read(id, outs), {});
        await Certificate.delete(id, outs);
        assert.deepEqual(await atFly(), [`${HOSTNAME} custom`]);
    });

    for (const type of ["drop-before", "drop-after", "cut"] as const) {
        it(`is requested once if the answer is lost (${type})`, async () => {
            await on.fault({ method: "POST", path: `${path}/acme`, action: { type } });
            const requests = await on.requestsOf(() => Certificate.create(inputs()));
            const posts = requests.filter((line) => line.startsWith("POST"));
            assert.equal(posts.length, type === "drop-before" ? 2 : 1);
            assert.deepEqual(await atFly(), [`${HOSTNAME} acme`]);
        });

        it(`is removed although the answer is lost (${type})`, async () => {
            const { id, outs } = await Certificate.create(inputs());
            assert.ok(outs);
            await on.fault({ method: "DELETE", path: `${path}/*`, action: { type } });
            await Certificate.delete(id, outs);
            assert.deepEqual(await atFly(), []);
        });
    }

    it("is adopted if another run requested it first", async () => {
        const body = { error: "Hostname already exists on app" };
        await on.api.ok("POST", `/apps/${on.app}/certificates/acme`, {
            hostname: HOSTNAME,
        });
        await on.fault(
            {
                method: "GET",
                path: `${path}/*`,
                action: { type: "status", status: 404, body: { error: "certificate not found" } },
            },
            {
                method: "POST",
                path: `${path}/acme`,
                action: { type: "status", status: 422, body },
            },
        );
        assert.equal((await Certificate.create(inputs())).id, HOSTNAME);
    });

    it("that Fly refuses fails with Fly's reason, after one request", async () => {
        const body = { error: "Hostname is on another app" };
        await on.fault({
            method: "POST",
            path: `${path}/acme`,
            times: 0,
            action: { type: "status", status: 422, body },
        });
        let error: Error | undefined;
        const requests = await on.requestsOf(async () => {
            error = await failureOf(Certificate.create(inputs()));
        });
        assert.equal(requests.filter((line) => line.startsWith("POST")).length, 1);
        assert.match(
            error?.message ?? "",
            /^Fly issues no certificate for "mqtt\.example\.com" in app "app-\d+": POST .*: 422: Hostname is on another app \(fly-request-id .+\)\n {2}Check the host name/,
        );
    });

    it("is requested after a 429, when Fly allows it", async () => {
        const action = { type: "status", status: 429, headers: { "retry-after": "0" } } as const;
        for (const method of ["GET", "POST", "DELETE"]) {
            await on.fault({ method, path: `${path}/*`, times: 1, action });
        }
        const { id, outs } = await Certificate.create(inputs());
        assert.ok(outs);
        await Certificate.delete(id, outs);
        assert.deepEqual(await atFly(), []);
    });

    it("is requested in a new app that is not known everywhere yet", async () => {
        on.app = `${on.app}-new`;
        path = `/v1/apps/${on.app}/certificates`;
        const organization = "personal";
        await App.create({
            endpoint: on.endpoint,
            name: on.app,
            organization,
            owner: OWNER,
        });
        const body = { error: "app not found" };
        await on.fault({
            method: "POST",
            path: `${path}/acme`,
            times: 2,
            action: { type: "status", status: 404, body },
        });
        await Certificate.create(inputs());
        assert.deepEqual(await atFly(), [`${HOSTNAME} acme`]);
    });

    it("is gone with its app", async () => {
        const { id, outs } = await Certificate.create(inputs());
        assert.ok(outs);
        await on.deleteApp(on.app);
        await Certificate.delete(id, outs);
        assert.deepEqual(await Certificate.read(id, outs), {});
    });

    it("is recorded at another endpoint only if it exists there", async () => {
        const { id, outs } = await Certificate.create(inputs());
        assert.ok(outs);
        const there = { ...inputs(), endpoint: `${on.endpoint}/` };
        assert.equal(outsOf(await Certificate.update(id, outs, there)).endpoint, `${on.endpoint}/`);
        await Certificate.delete(id, outs);
        const error = await failureOf(Certificate.update(id, outs, there));
        assert.match(error.message, /pulumi up --refresh/);
    });
});
