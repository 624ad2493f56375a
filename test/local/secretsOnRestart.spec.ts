import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startLocalFly, type LocalFly } from "../../dev/fly/index.ts";
import { until } from "../../dev/harness/until.ts";
import { Api, type MachineView } from "../../dev/harness/api.ts";
import { docker, pushImage } from "../../dev/harness/image.ts";

const SHOW = ["/bin/sh", "-c", 'echo "$SECRET" >/now; httpd -p 1883; sleep 1000000'];

/** Tests which secrets a machine has after each kind of start, under both readings of Fly's docs. */
for (const [reading, expected] of [
    ["pinned", "first"],
    ["fresh", "second"],
] as const) {
    describe(`local Fly: secrets that are ${reading} over a restart`, function () {
        this.timeout(60_000);
        let dir: string;
        let fly: LocalFly;
        let api: Api;
        let machine: MachineView;
        const settings = { secretsOnRestart: reading, restartBackoffMs: 50 };
        const path = () => `/apps/life/machines/${machine.id}`;

        before(async () => {
            dir = mkdtempSync(join(tmpdir(), "fly-"));
            fly = await startLocalFly({ dir, settings });
            api = new Api(fly);
            await api.app("life");
            await api.ok("POST", "/apps/life/ip_assignments", { type: "v4" });
            await set("first");
            machine = await api.start("life", {
                image: await pushImage(fly, "life"),
                init: { exec: SHOW },
                restart: { policy: "always" },
                stop_config: { timeout: "100ms" },
                services: [
                    {
                        ...{ protocol: "tcp", internal_port: 1883, autostart: true },
                        ports: [{ port: 10000 }],
                    },
                ],
            });
            assert.equal(await now(), "first");
            await set("second");
        });
        after(async () => {
            await fly.close();
            const { reset } = await import("../../dev/fly/reset.ts");
            await reset(dir);
            rmSync(dir, { recursive: true, force: true });
        });

        const set = (SECRET: string) =>
            api.ok("POST", "/apps/life/secrets", { values: { SECRET } });
        const now = () => api.shell("life", machine.id, "sleep 0.2; cat /now");

        async function startedAgain(how: () => Promise<unknown>): Promise<void> {
            const starts = async () =>
                (await api.machine("life", machine.id)).events.filter(
                    ({ type }) => type === "start",
                );
            const before = (await starts()).length;
            await how();
            await until("it has started", async () => {
                const { state } = await api.machine("life", machine.id);
                return state === "started" && (await starts()).length > before;
            });
            assert.equal(await now(), expected);
        }

        it("stay so on the API's restart", () =>
            startedAgain(() => api.ok("POST", `${path()}/restart`, {})));

        it("stay so on a stop and a start", async () => {
            await api.stop("life", machine);
            await startedAgain(() => api.ok("POST", `${path()}/start`, {}));
        });

        it("stay so on a restart by policy", () =>
            startedAgain(() =>
                docker.getContainer(`fly-life-${machine.id}`).kill({ signal: "SIGKILL" }),
            ));

        it("stay so on an autostart by a connection", async () => {
            const { ips } = await api.ok<{ ips: { ip: string }[] }>(
                "GET",
                "/apps/life/ip_assignments",
            );
            await api.stop("life", machine);
            await startedAgain(() => {
                const socket = connect({ host: ips[0]!.ip, port: 10000 });
                socket.on("error", () => undefined);
                return Promise.resolve();
            });
        });

        it("stay so on a reboot of everything", async () => {
            await fly.close();
            fly = await startLocalFly({ dir, settings });
            api = new Api(fly);
            await api.wait("life", machine.id, "started");
            await until("it has booted", async () => {
                const text = await now().catch(() => undefined);
                return text !== undefined && text !== "";
            });
            assert.equal(await now(), expected);
        });

        it("are the newest after an update", async () => {
            const { config } = await api.machine("life", machine.id);
            await api.ok("POST", path(), { config });
            await api.wait("life", machine.id, "started");
            assert.equal(await now(), "second");
        });
    });
}
