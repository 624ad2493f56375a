/** An app for each test, and an image for its machines. */
import { Machine } from "../../../providers/entry.ts";
import type { MachineInputs, MachineOutputs } from "../../../providers/fly/machine/inputs.ts";
import type { MachineConfig } from "../../../providers/fly/api/types.ts";
import type { LocalFlyOptions } from "../../../dev/fly/index.ts";
import { pushImage } from "../../../dev/harness/image.ts";
import { AppFixture, brokerLike, outsOf } from "./flyFixture.ts";

/** App whose repository has the suite's image. */
const IMAGES = "images";

export class MachineFixture extends AppFixture {
    image!: string;

    constructor(options?: LocalFlyOptions) {
        super(options);
        before(async () => {
            await this.api.app(IMAGES);
            this.image = await pushImage(this.fly, IMAGES);
        });
    }

    inputs(change: Partial<MachineInputs> = {}): MachineInputs {
        return brokerLike(this, this.app, this.image, change);
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
        return await this.api.ok<{ id: string; state: string; instance_id: string }[]>(
            "GET",
            `/apps/${this.app}/machines`,
        );
    }

    /** Whether the provider sees a change. */
    async changes(
        id: string,
        olds: MachineOutputs,
        news: MachineInputs,
    ): Promise<boolean | undefined> {
        return (await Machine.diff(id, olds, news)).changes;
    }
}
