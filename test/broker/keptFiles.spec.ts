import assert from "node:assert/strict";
import { SERIES } from "../../broker/conf.ts";
import { logInTo } from "../support/brokerClient.ts";
import { passwordLine } from "../../dev/harness/brokerConf.ts";
import { type BrokerContainer, newBundle } from "../../dev/harness/brokerContainer.ts";
import { ADA, applyFiles, BrokerFixture } from "../support/brokerFixture.ts";

const COPY = "/mosquitto/data/.files/bundle";

for (const series of SERIES) {
    describe(`files applied live to Mosquitto ${series}`, function () {
        this.timeout(60_000);
        const fixture = new BrokerFixture(series);
        const renewed = { ...ADA, password: "a new password" };
        /** The oldest files: those of a machine whose secrets are out of date. */
        let given: Record<string, string | Buffer>;
        let volume: string;
        let broker: BrokerContainer;

        beforeEach(async () => {
            given = bundleOf(fixture.files);
            volume = await fixture.newVolume();
            broker = await start(given);
        });

        /** Bundles in the form of the machine's secret, so that later starts can use the same. */
        function bundleOf(files: Record<string, string>): Record<string, string | Buffer> {
            const [conf, rest] = [true, false].map((is) =>
                Object.entries(files).filter(([name]) => name.endsWith(".conf") === is),
            );
            const names = rest!.map(([name, text]) => [name.split("/").at(-1)!, text] as const);
            return {
                ...Object.fromEntries(conf!),
                "/etc/appkata/files.01": newBundle(Object.fromEntries(names)),
            };
        }

        function start(files: Record<string, string | Buffer>): Promise<BrokerContainer> {
            return fixture.start({ volume, files: files });
        }

        /** Starts the machine: a new container with its secrets' files. */
        async function restart(files = given): Promise<void> {
            await fixture.remove(broker);
            broker = await start(files);
        }

        const takeRenewed = () =>
            applyFiles(broker, { passwd: passwordLine(ADA.username, renewed.password) });

        async function isInForce(user: typeof ADA, other: typeof ADA): Promise<void> {
            await (await logInTo(broker, fixture.authority, user)).endAsync();
            await assert.rejects(logInTo(broker, fixture.authority, other), /not authorized/i);
        }

        const hasCopy = () => broker.exec("sh", "-c", `[ -e ${COPY} ] && echo yes || echo no`);

        it("are in force after each start with older secrets, also after the container is killed", async () => {
            await takeRenewed();
            await isInForce(renewed, ADA);
            for (let starts = 0; starts < 2; starts++) {
                await restart();
                await isInForce(renewed, ADA);
                await broker.kill();
                await broker.start();
                await isInForce(renewed, ADA);
            }
        });

        it("are kept on the volume for root only, and removed by the first start with secrets as new", async () => {
            assert.equal(await hasCopy(), "no\n");
            await takeRenewed();
            const stat = ["stat", "-c", "%a %U", COPY, "/mosquitto/data/.files"];
            assert.equal(await broker.exec(...stat), "600 root\n700 root\n");
            await restart();
            assert.equal(await broker.exec(...stat), "600 root\n700 root\n");
            await restart(bundleOf(fixture.files));
            await isInForce(ADA, renewed);
            assert.equal(await hasCopy(), "no\n");
        });

        it("in an older snapshot of the volume do not readmit removed users", async () => {
            await takeRenewed();
            await broker.exec("cp", "-a", COPY, "/mosquitto/data/.files/older");
            await restart(bundleOf(fixture.files));
            await broker.exec("mv", "/mosquitto/data/.files/older", COPY);
            await restart(bundleOf(fixture.files));
            await isInForce(ADA, renewed);
        });

        for (const [what, spoil, told] of [
            ["is damaged", `truncate -s 50 ${COPY}`, /\.files\/bundle is damaged, and is ignored/],
            ["is the broker's own work", `chown mosquitto ${COPY}`, /^(?!.*bundle)/],
        ] as const) {
            it(`are not taken from a copy that ${what}`, async () => {
                await takeRenewed();
                await broker.exec("sh", "-c", spoil);
                await restart();
                await isInForce(ADA, renewed);
                await broker.says(told);
            });
        }

        it("are not taken from a copy of another app", async () => {
            await takeRenewed();
            const theirs = newBundle({ passwd: passwordLine(ADA.username, "theirs") }, "other");
            await broker.put({ [COPY]: theirs }, 0o600);
            await restart();
            await isInForce(ADA, renewed);
            await broker.says(/belongs to another app, other, and is ignored/);
        });

        it("are in force even if the secrets are damaged", async () => {
            await takeRenewed();
            const damaged = { ...given, "/etc/appkata/files.01": Buffer.from("x") };
            await restart(damaged);
            await broker.says(/files\.\* is damaged, and is ignored/);
        });
    });
}
