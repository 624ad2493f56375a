// core
import assert from "node:assert/strict";
import { startLocalFly } from "../../dev/fly/index.ts";
import type { LocalFly } from "../../dev/fly/index.ts";
import { Api } from "../../dev/harness/api.ts";
import type { MachineView } from "../../dev/harness/api.ts";
import { docker, pushImage } from "../../dev/harness/image.ts";
import { until } from "../../dev/harness/until.ts";

/** A main process that exits cleanly on a signal and records the signal on its volume. */
function waits(signal: string): string[] {
    return ["/bin/sh", "-c", `trap 'exit 0' ${signal}; while true; do sleep 1 & wait; done`];
}

describe("local Fly: a machine's life cycle", function () {
    this.timeout(60_000);
    let fly: LocalFly;
    let api: Api;
    let image: string;
    const path = "/apps/life/machines";

    const exitOf = (machine: MachineView) => {
        const event = machine.events.find((one) => one.type === "exit");
        return event?.request?.exit_event ?? {};
    };

    before(async () => {
        fly = await startLocalFly({ settings: { restartBackoffMs: 50 } });
        api = new Api(fly);
        await api.app("life");
        image = await pushImage(fly, "life");
    });
    after(() => fly?.close());

    it("stops with the configured signal and starts again", async () => {
        const machine = await api.start("life", {
            image,
            init: { exec: waits("QUIT") },
            stop_config: { signal: "SIGQUIT", timeout: "20s" },
        });
        await api.stop("life", machine);
        const stopped = await api.machine("life", machine.id);
        const exit = exitOf(stopped);
        assert.equal(exit.exit_code, 0);
        assert.equal(exit.requested_stop, true);
        assert.equal(exit.oom_killed, false);
        assert.deepEqual(
            stopped.events.slice(0, 2).map((one) => [one.type, one.status, one.source]),
            [
                ["exit", "stopped", "flyd"],
                ["stop", "stopping", "user"],
            ],
        );
        const started = await api.ok("POST", `${path}/${machine.id}/start`, {});
        assert.equal(started.previous_state, "stopped");
        await api.wait("life", machine.id, "started");
        assert.equal((await api.machine("life", machine.id)).instance_id, machine.instance_id);
        await api.destroy("life", machine.id);
    });

    it("kills a process that does not exit in time after the signal", async () => {
        const machine = await api.start("life", {
            image,
            init: { exec: ["/bin/sh", "-c", "trap '' TERM; while true; do sleep 1; done"] },
            stop_config: { signal: "SIGTERM", timeout: "300ms" },
        });
        await api.stop("life", machine);
        const exit = exitOf(await api.machine("life", machine.id));
        assert.equal(exit.exit_code, 137);
        assert.equal(exit.signal, 9);
        await api.destroy("life", machine.id);
    });

    it("reports a kill from outside, and restarts", async () => {
        const machine = await api.start("life", { image, restart: { policy: "always" } });
        await docker.getContainer(`fly-life-${machine.id}`).kill({ signal: "SIGKILL" });
        const back = await until("it is back", async () => {
            const seen = await api.machine("life", machine.id);
            const restarted = seen.events.some((one) => one.type === "restart");
            return restarted && seen.state === "started" ? seen : undefined;
        });
        assert.deepEqual(
            back.events.slice(0, 3).map((one) => [one.type, one.status, one.source]),
            [
                ["start", "started", "flyd"],
                ["restart", "starting", "flyd"],
                ["exit", "stopped", "flyd"],
            ],
        );
        const exit = exitOf(back);
        assert.equal(exit.exit_code, 137);
        assert.equal(exit.signal, 9);
        assert.equal(exit.requested_stop, false);
        assert.equal(exit.restarting, true);
        await api.destroy("life", machine.id);
    });

    it("gives up after max_retries", async () => {
        const made = await api.ok<MachineView>("POST", path, {
            config: {
                image,
                init: { exec: ["/bin/sh", "-c", "exit 7"] },
                restart: { policy: "on-failure", max_retries: 2 },
            },
        });
        await api.wait("life", made.id, "stopped", made.instance_id);
        const stopped = await api.machine("life", made.id);
        assert.equal(stopped.events.filter((one) => one.type === "start").length, 3);
        assert.equal(exitOf(stopped).exit_code, 7);
        assert.equal(exitOf(stopped).restarting, false);
        await api.destroy("life", made.id);
    });

    it("does not restart a machine that exits with 0", async () => {
        const config = { image, init: { exec: ["/bin/true"] } };
        const made = await api.ok<MachineView>("POST", path, { config });
        await api.wait("life", made.id, "stopped", made.instance_id);
        await api.destroy("life", made.id);
        const once = await api.ok<MachineView>("POST", path, {
            config: { ...config, auto_destroy: true, restart: { policy: "no" } },
        });
        await api.wait("life", once.id, "destroyed");
    });

    it("reports that memory ran out", async () => {
        const machine = await api.start("life", { image, restart: { policy: "no" } });
        const container = docker.getContainer(`fly-life-${machine.id}`);
        // tail keeps an endless line in memory.
        const exec = await container.exec({ Cmd: ["/bin/sh", "-c", "yes | tr -d '\\n' | tail"] });
        (await exec.start({})).destroy();
        await until("something was killed", async () => {
            const { ExitCode } = await exec.inspect();
            return ExitCode !== null;
        });
        await api.ok("POST", `${path}/${machine.id}/signal`, { signal: "SIGKILL" });
        await api.wait("life", machine.id, "stopped", machine.instance_id);
        const exit = exitOf(await api.machine("life", machine.id));
        assert.equal(exit.oom_killed, true);
        await api.destroy("life", machine.id);
    });

    it("restarts on request, with the requested signal", async () => {
        const machine = await api.start("life", { image, init: { exec: waits("USR1") } });
        const before = (await docker.getContainer(`fly-life-${machine.id}`).inspect()).Id;
        await api.ok("POST", `${path}/${machine.id}/restart?signal=SIGUSR1&timeout=20s`);
        await api.wait("life", machine.id, "started");
        const after = (await docker.getContainer(`fly-life-${machine.id}`).inspect()).Id;
        assert.notEqual(after, before, "each boot is a container of its own");
        assert.equal(exitOf(await api.machine("life", machine.id)).exit_code, 0);
        await api.destroy("life", machine.id);
    });

    it("passes signals to the main process", async () => {
        const script = "trap 'echo got >> /tmp/got' HUP; while true; do sleep 1 & wait; done";
        const machine = await api.start("life", {
            image,
            init: { exec: ["/bin/sh", "-c", script] },
        });
        await until("the signal arrives", async () => {
            await api.ok("POST", `${path}/${machine.id}/signal`, { signal: "SIGHUP" });
            const seen = await api.shell("life", machine.id, "cat /tmp/got || true");
            return seen.includes("got");
        });
        await api.refused(400, /invalid signal/, "POST", `${path}/${machine.id}/signal`, {
            signal: "SIGNOT",
        });
        await api.destroy("life", machine.id);
    });

    it("refuses what the current state does not allow", async () => {
        const machine = await api.start("life", { image });
        const one = `${path}/${machine.id}`;
        await api.refused(
            412,
            "failed_precondition: unable to destroy machine, not currently stopped, suspended, failed or created",
            "DELETE",
            one,
        );
        assert.equal((await api.ok("POST", `${one}/start`, {})).previous_state, "started");
        await api.stop("life", machine);
        await api.refused(412, /not started/, "POST", `${one}/exec`, { command: ["/bin/true"] });
        assert.deepEqual(await api.ok("POST", `${one}/stop`, {}), { ok: true });
        assert.deepEqual(await api.ok("DELETE", one), { ok: true });
        await api.wait("life", machine.id, "destroyed");
        assert.deepEqual(await api.ok("DELETE", one), { ok: true }, "twice is no error");
        await api.refused(
            412,
            "failed_precondition: unable to start machine from current state: 'destroyed'",
            "POST",
            `${one}/start`,
            {},
        );
    });

    it("accepts fly-go's kill=true as force", async () => {
        const machine = await api.start("life", { image });
        await api.ok("DELETE", `${path}/${machine.id}?kill=true`);
        await api.wait("life", machine.id, "destroyed");
    });

    it("waits for a state, and reports the current one after a timeout", async () => {
        const made = await api.ok<MachineView>("POST", path, {
            config: { image },
            skip_launch: true,
        });
        const wait = `${path}/${made.id}/wait`;
        await api.refused(
            408,
            "deadline_exceeded: machine failed to reach desired state, started, currently created",
            "GET",
            `${wait}?timeout=1`,
        );
        // Fly's docs require no version; one live report says that Fly does.
        await api.refused(408, /, stopped,/, "GET", `${wait}?state=stopped&timeout=1`);
        await api.ok("PUT", "/_local/settings", { stoppedNeedsVersion: true });
        await api.refused(400, /instance_id is required/, "GET", `${wait}?state=stopped`);
        await api.ok("PUT", "/_local/settings", { stoppedNeedsVersion: false });
        await api.refused(400, /invalid state/, "GET", `${wait}?state=happy`);
        const waiting = api.ok("GET", `${wait}?state=settled&timeout=30`);
        await api.ok("POST", `${path}/${made.id}/start`, {});
        const settled = await waiting;
        assert.equal(settled.ok, true);
        assert.equal(settled.state, "started");
        assert.equal(settled.version, made.instance_id);
        const { events } = await api.machine("life", made.id);
        assert.equal(settled.event_id, events[0]?.id);
        const later = api.ok("GET", `${wait}?state=started&from_event_id=${events[0]?.id ?? ""}`);
        await api.ok("POST", `${path}/${made.id}/restart`, {});
        assert.notEqual((await later).event_id, events[0]?.id);
        await api.destroy("life", made.id);
    });

    it("runs health checks and shows their results", async () => {
        const check = { interval: "100ms", timeout: "2s", grace_period: "10ms" };
        const machine = await api.start("life", {
            image,
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
                (await api.machine("life", machine.id)).checks.map((one) => [one.name, one.status]),
            );
        const wanted = { tcp: "passing", http: "passing", lost: "critical", closed: "critical" };
        await until("the checks have run", async () => {
            const seen = await statuses();
            return JSON.stringify(seen) === JSON.stringify(wanted);
        });
        const { checks } = await api.machine("life", machine.id);
        assert.match(checks.find((one) => one.name === "http")?.output ?? "", /fine/);
        const closed = checks.find((one) => one.name === "closed")?.output ?? "";
        assert.match(closed, /dial tcp .*:9999: connect: connection refused/);
        await api.stop("life", machine);
        assert.equal((await statuses()).tcp, "critical");
        await api.destroy("life", machine.id);
    });
});
