// core
import assert from "node:assert/strict";
import type { MachineView } from "../../dev/harness/api.ts";
import { docker } from "../../dev/harness/image.ts";
import { until } from "../../dev/harness/until.ts";
import { AppFixture } from "./support/appFixture.ts";

/** A main process that exits cleanly on a signal and records the signal on its volume. */
function waits(signal: string): string[] {
    return ["/bin/sh", "-c", `trap 'exit 0' ${signal}; while true; do sleep 1 & wait; done`];
}

describe("local Fly: a machine's life cycle", function () {
    this.timeout(60_000);
    const on = new AppFixture("life", { settings: { restartBackoffMs: 50 } });
    const path = "/apps/life/machines";

    const exitOf = (machine: MachineView) => {
        const event = machine.events.find((one) => one.type === "exit");
        return event?.request?.exit_event ?? {};
    };

    it("stops with the configured signal and starts again", async () => {
        const machine = await on.api.start("life", {
            image: on.image,
            init: { exec: waits("QUIT") },
            stop_config: { signal: "SIGQUIT", timeout: "20s" },
        });
        await on.api.stop("life", machine);
        const stopped = await on.api.machine("life", machine.id);
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
        const started = await on.api.ok("POST", `${path}/${machine.id}/start`, {});
        assert.equal(started.previous_state, "stopped");
        await on.api.wait("life", machine.id, "started");
        assert.equal((await on.api.machine("life", machine.id)).instance_id, machine.instance_id);
        await on.api.destroy("life", machine.id);
    });

    it("kills a process that does not exit in time after the signal", async () => {
        const machine = await on.api.start("life", {
            image: on.image,
            init: { exec: ["/bin/sh", "-c", "trap '' TERM; while true; do sleep 1; done"] },
            stop_config: { signal: "SIGTERM", timeout: "300ms" },
        });
        await on.api.stop("life", machine);
        const exit = exitOf(await on.api.machine("life", machine.id));
        assert.equal(exit.exit_code, 137);
        assert.equal(exit.signal, 9);
        await on.api.destroy("life", machine.id);
    });

    it("reports a kill from outside, and restarts", async () => {
        const machine = await on.api.start("life", {
            image: on.image,
            restart: { policy: "always" },
        });
        await docker.getContainer(`fly-life-${machine.id}`).kill({ signal: "SIGKILL" });
        const back = await until("it is back", async () => {
            const seen = await on.api.machine("life", machine.id);
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
        await on.api.destroy("life", machine.id);
    });

    it("gives up after max_retries", async () => {
        const made = await on.api.ok<MachineView>("POST", path, {
            config: {
                image: on.image,
                init: { exec: ["/bin/sh", "-c", "exit 7"] },
                restart: { policy: "on-failure", max_retries: 2 },
            },
        });
        await on.api.wait("life", made.id, "stopped", made.instance_id);
        const stopped = await on.api.machine("life", made.id);
        assert.equal(stopped.events.filter((one) => one.type === "start").length, 3);
        assert.equal(exitOf(stopped).exit_code, 7);
        assert.equal(exitOf(stopped).restarting, false);
        await on.api.destroy("life", made.id);
    });

    it("does not restart a machine that exits with 0", async () => {
        const config = { image: on.image, init: { exec: ["/bin/true"] } };
        const made = await on.api.ok<MachineView>("POST", path, { config });
        await on.api.wait("life", made.id, "stopped", made.instance_id);
        await on.api.destroy("life", made.id);
        const once = await on.api.ok<MachineView>("POST", path, {
            config: { ...config, auto_destroy: true, restart: { policy: "no" } },
        });
        await on.api.wait("life", once.id, "destroyed");
    });

    it("reports that memory ran out", async () => {
        const machine = await on.api.start("life", { image: on.image, restart: { policy: "no" } });
        const container = docker.getContainer(`fly-life-${machine.id}`);
        // tail keeps an endless line in memory.
        const exec = await container.exec({ Cmd: ["/bin/sh", "-c", "yes | tr -d '\\n' | tail"] });
        (await exec.start({})).destroy();
        await until("something was killed", async () => {
            const { ExitCode } = await exec.inspect();
            return ExitCode !== null;
        });
        await on.api.ok("POST", `${path}/${machine.id}/signal`, { signal: "SIGKILL" });
        await on.api.wait("life", machine.id, "stopped", machine.instance_id);
        const exit = exitOf(await on.api.machine("life", machine.id));
        assert.equal(exit.oom_killed, true);
        await on.api.destroy("life", machine.id);
    });

    it("restarts on request, with the requested signal", async () => {
        const machine = await on.api.start("life", {
            image: on.image,
            init: { exec: waits("USR1") },
        });
        const before = (await docker.getContainer(`fly-life-${machine.id}`).inspect()).Id;
        await on.api.ok("POST", `${path}/${machine.id}/restart?signal=SIGUSR1&timeout=20s`);
        await on.api.wait("life", machine.id, "started");
        const after = (await docker.getContainer(`fly-life-${machine.id}`).inspect()).Id;
        assert.notEqual(after, before, "each boot is a container of its own");
        assert.equal(exitOf(await on.api.machine("life", machine.id)).exit_code, 0);
        await on.api.destroy("life", machine.id);
    });

    it("passes signals to the main process", async () => {
        const script = "trap 'echo got >> /tmp/got' HUP; while true; do sleep 1 & wait; done";
        const machine = await on.api.start("life", {
            image: on.image,
            init: { exec: ["/bin/sh", "-c", script] },
        });
        await until("the signal arrives", async () => {
            await on.api.ok("POST", `${path}/${machine.id}/signal`, { signal: "SIGHUP" });
            const seen = await on.api.shell("life", machine.id, "cat /tmp/got || true");
            return seen.includes("got");
        });
        await on.api.refused(400, /invalid signal/, "POST", `${path}/${machine.id}/signal`, {
            signal: "SIGNOT",
        });
        await on.api.destroy("life", machine.id);
    });

    it("refuses what the current state does not allow", async () => {
        const machine = await on.api.start("life", { image: on.image });
        const one = `${path}/${machine.id}`;
        await on.api.refused(
            412,
            "failed_precondition: unable to destroy machine, not currently stopped, suspended, failed or created",
            "DELETE",
            one,
        );
        assert.equal((await on.api.ok("POST", `${one}/start`, {})).previous_state, "started");
        await on.api.stop("life", machine);
        await on.api.refused(412, /not started/, "POST", `${one}/exec`, { command: ["/bin/true"] });
        assert.deepEqual(await on.api.ok("POST", `${one}/stop`, {}), { ok: true });
        assert.deepEqual(await on.api.ok("DELETE", one), { ok: true });
        await on.api.wait("life", machine.id, "destroyed");
        assert.deepEqual(await on.api.ok("DELETE", one), { ok: true }, "twice is no error");
        await on.api.refused(
            412,
            "failed_precondition: unable to start machine from current state: 'destroyed'",
            "POST",
            `${one}/start`,
            {},
        );
    });

    it("accepts fly-go's kill=true as force", async () => {
        const machine = await on.api.start("life", { image: on.image });
        await on.api.ok("DELETE", `${path}/${machine.id}?kill=true`);
        await on.api.wait("life", machine.id, "destroyed");
    });

    it("waits for a state, and reports the current one after a timeout", async () => {
        const made = await on.api.ok<MachineView>("POST", path, {
            config: { image: on.image },
            skip_launch: true,
        });
        const wait = `${path}/${made.id}/wait`;
        await on.api.refused(
            408,
            "deadline_exceeded: machine failed to reach desired state, started, currently created",
            "GET",
            `${wait}?timeout=1`,
        );
        // Fly's docs require no version; one live report says that Fly does.
        await on.api.refused(408, /, stopped,/, "GET", `${wait}?state=stopped&timeout=1`);
        await on.api.ok("PUT", "/_local/settings", { stoppedNeedsVersion: true });
        await on.api.refused(400, /instance_id is required/, "GET", `${wait}?state=stopped`);
        await on.api.ok("PUT", "/_local/settings", { stoppedNeedsVersion: false });
        await on.api.refused(400, /invalid state/, "GET", `${wait}?state=happy`);
        const waiting = on.api.ok("GET", `${wait}?state=settled&timeout=30`);
        await on.api.ok("POST", `${path}/${made.id}/start`, {});
        const settled = await waiting;
        assert.equal(settled.ok, true);
        assert.equal(settled.state, "started");
        assert.equal(settled.version, made.instance_id);
        const { events } = await on.api.machine("life", made.id);
        assert.equal(settled.event_id, events[0]?.id);
        const later = on.api.ok(
            "GET",
            `${wait}?state=started&from_event_id=${events[0]?.id ?? ""}`,
        );
        await on.api.ok("POST", `${path}/${made.id}/restart`, {});
        assert.notEqual((await later).event_id, events[0]?.id);
        await on.api.destroy("life", made.id);
    });
});
