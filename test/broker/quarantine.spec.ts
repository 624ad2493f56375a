import assert from "node:assert/strict";
import { SERIES } from "../../broker/conf.ts";
import { capture } from "../../toolchain/process.ts";
import { logInTo } from "../support/brokerClient.ts";
import {
    BrokerContainer,
    buildBroker,
    givenConf,
    makeVolume,
    passwordLine,
    removeVolume,
} from "../support/brokerContainer.ts";
import { issue, makeAuthority, type Authority } from "../support/certificates.ts";

const HOSTNAME = "appkata-test.fly.dev";
const ADA = { username: "ada", password: "ada's own password", servername: HOSTNAME };
const DB = { "2.1": "mosquitto.sqlite3", "2.0": "mosquitto.db" };

/** Script that damages the file $f, of $s bytes, with the copy of it at /tmp/f. */
const DAMAGE: Record<string, string> = {
    zeroed: "head -c $s /dev/zero >$f",
    "cut off at its start": "head -c 50 /tmp/f >$f",
};
/** What 2.1 would end at, or take with some of the data silently gone. */
const CUTS: Record<string, string> = {
    "cut off in the middle": "head -c $((s / 2)) /tmp/f >$f",
    "cut off in its last page": "head -c $((s - 100)) /tmp/f >$f",
};

for (const series of SERIES) {
    describe(`damaged data on Mosquitto ${series}`, function () {
        this.timeout(60_000);
        let image: string;
        let authority: Authority;
        let files: Record<string, string>;
        let volume: string;
        let broker: BrokerContainer;

        before(async () => {
            image = await buildBroker(series);
            authority = await makeAuthority();
            const certificate = await issue(authority, [HOSTNAME]);
            files = {
                "/run/appkata/server.crt": certificate.chain,
                "/run/appkata/server.key": certificate.key,
                "/run/appkata/passwd": passwordLine(ADA.username, ADA.password),
                "/run/appkata/acl": `user ${ADA.username}\ntopic readwrite #\n`,
                ...givenConf(),
            };
        });
        beforeEach(async () => {
            volume = await makeVolume();
            broker = await start();
            const client = await logInTo(broker, authority, ADA);
            await client.publishAsync("kept", "k".repeat(10_000), { qos: 1, retain: true });
            await client.endAsync();
            assert.equal(await broker.stop(), 0);
            await broker.remove();
        });
        afterEach(async () => {
            await broker.remove();
            await removeVolume(volume);
        });

        async function start(more: Record<string, string> = {}): Promise<BrokerContainer> {
            const created = await BrokerContainer.create({
                image,
                volume,
                files: { ...files, ...more },
            });
            await created.start();
            return created;
        }

        /** @returns what the script prints, run on the data while no broker has them */
        async function onData(script: string): Promise<string> {
            const all = `cd /v; f=${DB[series]}; cp $f /tmp/f; s=$(stat -c %s $f); ${script}`;
            const program = ["--entrypoint", "sh", image, "-c", all];
            const ended = await capture([
                "docker",
                "run",
                "--rm",
                "-v",
                `${volume}:/v`,
                ...program,
            ]);
            assert.equal(ended.code, 0, ended.stderr);
            return ended.stdout.trim();
        }

        const damages = { ...DAMAGE, ...(series === "2.1" && CUTS) };
        for (const [what, script] of Object.entries(damages)) {
            it(`that is ${what} is put aside whole, and the broker starts`, async () => {
                const sum = await onData(`${script}; md5sum <$f`);
                broker = await start();
                await (await logInTo(broker, authority, ADA)).endAsync();
                const told = (await broker.log())
                    .split("\n")
                    .filter((l) => / cannot be read: /.test(l));
                const kept = /It is kept as (\S+\.unreadable-\d{8}T\d{6}Z);/.exec(
                    told[0] ?? "",
                )?.[1];
                assert.equal(told.length, 1);
                assert.equal(
                    await broker.exec("sh", "-c", `md5sum </mosquitto/data/${kept}`),
                    `${sum}\n`,
                );
            });
        }

        it("that is healthy stays when the start fails for another reason", async () => {
            const sum = await onData("md5sum <$f");
            const name = `/run/appkata/mosquitto-${series}.conf`;
            broker = await start({ [name]: `${files[name]}nonsense true\n` });
            assert.notEqual(await broker.exitCode(), 0);
            assert.equal(await onData("md5sum <$f; ls | grep unreadable || true"), sum);
        });
    });
}
