// core
import assert from "node:assert/strict";
import { until } from "../../dev/harness/until.ts";
import { AppFixture } from "./support/appFixture.ts";

describe("local Fly: health checks", function () {
    this.timeout(60_000);
    const on = new AppFixture("life");

    it("run, and show their results", async () => {
        const check = { interval: "100ms", timeout: "2s", grace_period: "10ms" };
        const machine = await on.api.start("life", {
            image: on.image,
            init: {
                exec: [
                    "/bin/sh",
                    "-c",
                    "echo fine > /tmp/index.html; nc -ll -p 9000 -e /bin/true & httpd -f -p 8080 -h /tmp",
                ],
            },
            checks: {
                tcp: { type: "tcp", port: 9000, ...check },
                http: { type: "http", port: 8080, path: "/", ...check },
                lost: { type: "http", port: 8080, path: "/missing", ...check },
                closed: { type: "tcp", port: 9999, ...check },
            },
        });
        const statuses = async () =>
            Object.fromEntries(
                (await on.api.machine("life", machine.id)).checks.map((one) => [
                    one.name,
                    one.status,
                ]),
            );
        const wanted = { tcp: "passing", http: "passing", lost: "critical", closed: "critical" };
        await until("the checks have run", async () => {
            const seen = await statuses();
            return JSON.stringify(seen) === JSON.stringify(wanted);
        });
        const { checks } = await on.api.machine("life", machine.id);
        assert.match(checks.find((one) => one.name === "http")?.output ?? "", /fine/);
        const closed = checks.find((one) => one.name === "closed")?.output ?? "";
        assert.match(closed, /dial tcp .*:9999: connect: connection refused/);
        await on.api.stop("life", machine);
        assert.equal((await statuses()).tcp, "critical");
        await on.api.destroy("life", machine.id);
    });
});
