// core
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { pushImage } from "../../dev/harness/image.ts";
import { until } from "../../dev/harness/until.ts";
import { ECHO, EdgeFixture, service, talk } from "./support/edgeFixture.ts";

describe("local Fly: the TCP edge", function () {
    this.timeout(60_000);
    const on = new EdgeFixture();

    /** Starts a machine that echoes on port 10000. */
    const startEcho = () =>
        on.api.start("edge", on.serving(ECHO, [service(7000, [{ port: 10000 }])]));

    it("names the program that uses a port, and opens the port once it is free", async () => {
        const taken = createServer().listen(10000, on.v4);
        await once(taken, "listening");
        const machine = await startEcho();
        const refused = async () =>
            (await on.api.ok<{ refused: object[] }>("GET", "/_local/state")).refused;
        try {
            const reason = `it is taken by node (process ${process.pid})`;
            await until("it is told", async () => (await refused()).length > 0);
            assert.deepEqual(await refused(), [{ ip: on.v4, port: 10000, reason }]);
        } finally {
            await new Promise((resolve) => taken.close(resolve));
        }
        await until("it is open", async () => (await refused()).length === 0);
        assert.equal(await talk(on.v4, 10000, "hello"), "hello");
        await on.api.destroy("edge", machine.id);
    });

    it("forwards a raw connection to the machine, on either address, also half-closed", async () => {
        const machine = await startEcho();
        assert.equal(await talk(on.v4, 10000, "over v4"), "over v4");
        assert.equal(await talk(on.v6, 10000, "over v6"), "over v6");
        await on.api.destroy("edge", machine.id);
        await assert.rejects(talk(on.v4, 10000, "gone"), /ECONNREFUSED|ECONNRESET/);
    });

    it("forwards much data unchanged, at the pace of the slower side", async () => {
        const machine = await startEcho();
        const data = randomBytes(24 * 1024 * 1024);
        const socket = connect({ host: on.v4, port: 10000, allowHalfOpen: true });
        const hash = createHash("sha256");
        let size = 0;
        const receive = (async () => {
            for await (const chunk of socket as AsyncIterable<Buffer>) {
                hash.update(chunk);
                size += chunk.length;
            }
        })();
        const chunks = Array.from({ length: 24 }, (_, at) =>
            data.subarray(at * 1024 * 1024, (at + 1) * 1024 * 1024),
        );
        await Promise.all([pipeline(Readable.from(chunks), socket), receive]);
        assert.equal(size, data.length);
        assert.equal(hash.digest("hex"), createHash("sha256").update(data).digest("hex"));
        await on.api.destroy("edge", machine.id);
    });

    it("accepts and closes when no machine is started", async () => {
        const machine = await startEcho();
        await on.api.stop("edge", machine);
        const socket = connect({ host: on.v4, port: 10000 });
        socket.on("error", () => undefined);
        await new Promise((resolve) => socket.once("close", resolve));
        assert.equal(socket.bytesRead, 0);
        await on.api.destroy("edge", machine.id);
    });

    it("starts a stopped machine for a connection, where autostart allows it", async () => {
        const services = [service(7000, [{ port: 10000 }], { autostart: true })];
        const machine = await on.api.start("edge", on.serving(ECHO, services));
        await on.api.stop("edge", machine);
        assert.equal(await talk(on.v4, 10000, "wake up"), "wake up");
        const awake = await on.api.machine("edge", machine.id);
        assert.equal(awake.state, "started");
        assert.ok(awake.events.some((one) => one.source === "proxy" && one.type === "start"));
        await on.api.destroy("edge", machine.id);
    });

    it("waits for a machine that is being replaced", async () => {
        const config = on.serving(ECHO, [service(7000, [{ port: 10000 }])]);
        const machine = await on.api.start("edge", config);
        await on.api.ok("POST", `/apps/edge/machines/${machine.id}`, { config });
        assert.equal(await talk(on.v4, 10000, "patience"), "patience");
        await on.api.destroy("edge", machine.id);
    });

    it("breaks connections when their machine goes away", async () => {
        const machine = await startEcho();
        const socket = connect({ host: on.v4, port: 10000 });
        socket.on("error", () => undefined);
        socket.write("hello");
        await new Promise((resolve) => socket.once("data", resolve));
        const closed = new Promise((resolve) => socket.once("close", resolve));
        await on.api.destroy("edge", machine.id);
        await closed;
    });

    it("skips cordoned machines, and shares the load among the rest", async () => {
        const say = (word: string) =>
            on.serving(`echo 'echo ${word}; sleep 1' > /tmp/s; nc -ll -p 7000 -e /bin/sh /tmp/s`, [
                service(7000, [{ port: 10000 }]),
            ]);
        const a = await on.api.start("edge", say("a"));
        const b = await on.api.start("edge", say("b"));
        const both = await Promise.all([talk(on.v4, 10000, ""), talk(on.v4, 10000, "")]);
        assert.deepEqual(both.map((word) => word.trim()).sort(), ["a", "b"]);
        await on.api.ok("POST", `/apps/edge/machines/${a.id}/cordon`);
        const rest = await Promise.all([talk(on.v4, 10000, ""), talk(on.v4, 10000, "")]);
        assert.deepEqual(
            rest.map((word) => word.trim()),
            ["b", "b"],
        );
        await on.api.ok("POST", `/apps/edge/machines/${a.id}/uncordon`);
        await on.api.destroy("edge", b.id);
        assert.equal((await talk(on.v4, 10000, "")).trim(), "a");
        await on.api.destroy("edge", a.id);
    });

    it("routes to a service only while its own check passes", async () => {
        const services = [
            service(7000, [{ port: 10000 }], {
                checks: [{ type: "http", port: 8080, path: "/ready", interval: "100ms" }],
            }),
        ];
        const command = `mkdir /tmp/w; ${ECHO} & httpd -f -p 8080 -h /tmp/w`;
        const machine = await on.api.start("edge", on.serving(command, services));
        const { checks } = await on.api.machine("edge", machine.id);
        assert.match(checks[0]?.name ?? "", /^servicecheck-00-http-8080$/);
        const refused = connect({ host: on.v4, port: 10000 });
        refused.on("error", () => undefined);
        await new Promise((resolve) => refused.once("close", resolve));
        await on.api.shell("edge", machine.id, "echo ok > /tmp/w/ready");
        await until("the check passes", async () => {
            const seen = await on.api.machine("edge", machine.id);
            return seen.checks[0]?.status === "passing";
        });
        assert.equal(await talk(on.v4, 10000, "ready"), "ready");
        await on.api.destroy("edge", machine.id);
    });

    it("tells a machine the client's address, with the PROXY protocol", async () => {
        const services = [
            service(7000, [
                { port: 10001, handlers: ["proxy_proto"] },
                { start_port: 10010, end_port: 10011 },
            ]),
        ];
        const machine = await on.api.start("edge", on.serving(ECHO, services));
        const answer = await talk(on.v4, 10001, "body");
        assert.match(answer, new RegExp(`^PROXY TCP4 127\\S+ ${on.v4} \\d+ 10001\r\nbody$`));
        assert.equal(await talk(on.v4, 10011, "range"), "range", "a range of ports leads in too");
        await on.api.destroy("edge", machine.id);
    });

    it("does not route a raw port of a shared address", async () => {
        await on.api.app("shared");
        const own = await pushImage(on.fly, "shared");
        const { ip } = await on.api.ok<{ ip: string }>("POST", "/apps/shared/ip_assignments", {
            type: "shared_v4",
        });
        const config = { ...on.serving(ECHO, [service(7000, [{ port: 10000 }])]), image: own };
        const machine = await on.api.start("shared", config);
        await assert.rejects(talk(ip, 10000, "raw"), /ECONNREFUSED/);
        await on.api.destroy("shared", machine.id);
    });
});
