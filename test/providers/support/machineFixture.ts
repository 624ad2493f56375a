/** For specs of machines: each test has its own app with an image. */
import { Machine } from "../../../providers/entry.ts";
import type { MachineInputs, MachineOutputs } from "../../../providers/fly/machine/inputs.ts";
import type { MachineConfig } from "../../../providers/fly/api/types.ts";
import { pushImage } from "../../../dev/harness/image.ts";
import { brokerLike, FlyFixture, outsOf } from "./flyFixture.ts";

/** Create it inside `describe`: it registers hooks. */
export class MachineFixture {
    fly!: FlyFixture;
    app!: string;
    #image!: string;

    constructor() {
        let count = 0;
        before(async () => {
            this.fly = await FlyFixture.start();
        });
        after(() => this.fly.close());
        beforeEach(async () => {
            this.app = `machine-${++count}`;
            await this.fly.api.app(this.app);
            this.#image = await pushImage(this.fly.fly, this.app);
        });
        afterEach(async () => {
            await this.fly.noFaults();
            await this.fly.api.ok("DELETE", `/apps/${this.app}?force=true`);
        });
    }

    inputs(change: Partial<MachineInputs> = {}): MachineInputs {
        return brokerLike(this.fly, this.app, this.#image, change);
    }

    withConfig(change: Partial<MachineConfig>): MachineInputs {
        const base = this.inputs();
        return { ...base, config: { ...base.config, ...change } };
    }

    async make(wanted = this.inputs()): Promise<{ id: string; outs: MachineOutputs }> {
        const made = await Machine.create(wanted);
        return { id: made.id, outs: outsOf(made) };
    }

    /** The app's machines. */
    async present() {
        return await this.fly.api.ok<{ id: string; state: string; instance_id: string }[]>(
            "GET",
            `/apps/${this.app}/machines`,
        );
    }

    /** Whether the provider finds a change. */
    async changes(
        id: string,
        olds: MachineOutputs,
        news: MachineInputs,
    ): Promise<boolean | undefined> {
        return (await Machine.diff(id, olds, news)).changes;
    }
}
