// core
import assert from "node:assert/strict";
import { SERIES, type Series } from "../../broker/conf.ts";
import { capture } from "../../lib/process.ts";
import { logInTo } from "../support/brokerClient.ts";
import {
    BrokerContainer,
    buildBroker,
    makeVolume,
    removeVolume,
} from "../../dev/harness/brokerContainer.ts";
import { ADA, filesForAda } from "../support/brokerFixture.ts";
import { makeAuthority, type Authority } from "../../dev/harness/certificates.ts";

const DB = { "2.1": "mosquitto.sqlite3", "2.0": "mosquitto.db" };

/** Scripts that damage the file $f of $s bytes; /tmp/f is a copy of it. */
const DAMAGE: Record<string, string> = {
    zeroed: "head -c $s /dev/zero >$f",
    "cut off at its start": "head -c 50 /tmp/f >$f",
    "cut off in the middle": "head -c $((s / 2)) /tmp/f >$f",
    "cut off by a hundred bytes": "head -c $((s - 100)) /tmp/f >$f",
    "damaged in the middle":
        "tr '\\0' x </dev/zero | dd of=$f bs=4096 seek=$((s / 8192)) count=4 conv=notrunc",
};
/** Damage that only one series' format knows. */
const DAMAGE_OF: Record<Series, Record<string, string>> = {
    "2.1": {
        "cut off by a page": "head -c $((s - 4096)) /tmp/f >$f",
        // The file's write and read versions.
        "of a later version": "printf '\\003\\003' | dd of=$f bs=1 seek=18 conv=notrunc",
        "gone, but not its log": "mv $f $f-wal",
    },
    "2.0": {
        "of a later version": "printf '\\007' | dd of=$f bs=1 seek=22 conv=notrunc",
    },
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
            files = await filesForAda(authority);
        });
        beforeEach(async () => {
            volume = await makeVolume();
            broker = await start();
            const client = await logInTo(broker, authority, ADA);
            for (let i = 0; i < 100; i++) {
                await client.publishAsync(`kept/${i}`, "k".repeat(1000), { qos: 1, retain: true });
            }
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

        /** @returns the script's output; it runs on the data while the broker is stopped */
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

        for (const [what, script] of Object.entries({ ...DAMAGE, ...DAMAGE_OF[series] })) {
            it(`that is ${what} is put aside whole, and the broker starts`, async () => {
                const sum = await onData(
                    `{ ${script}; cat $f || cat $f-wal; } 2>/dev/null | md5sum`,
                );
                broker = await start();
                await (await logInTo(broker, authority, ADA)).endAsync();
                const told = (await broker.log())
                    .split("\n")
                    .filter((l) => / cannot be read: /.test(l));
                const kept = /It is kept as (\S+\.unreadable-\d{8}T\d{6}Z);/.exec(
                    told[0] ?? "",
                )?.[1];
                assert.equal(told.length, 1);
                const mark = kept!.split(".").at(-1);
                const whole = `cd /mosquitto/data; { cat ${kept} || cat *-wal.${mark}; } | md5sum`;
                assert.equal(await broker.exec("sh", "-c", whole), `${sum}\n`);
            });
        }

        it("that is healthy stays in place when the start fails for another reason", async () => {
            const sum = await onData("md5sum <$f");
            const name = `/etc/appkata/mosquitto-${series}.conf`;
            broker = await start({ [name]: `${files[name]}nonsense true\n` });
            assert.notEqual(await broker.exitCode(), 0);
            assert.equal(await onData("md5sum <$f; ls | grep unreadable || true"), sum);
        });
    });
}
