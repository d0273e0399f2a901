"""LD as a method of the loop: real images stay, their labels are learned."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax

from mttjax.config.methods import LD
from mttjax.core.networks import Network
from mttjax.core.objectives.meta import terminal_loss
from mttjax.core.preprocessing import ZCA, Standardize
from mttjax.core.synthetic import Synthetic
from mttjax.core.training import divisor_up_to
from mttjax.core.unrolling import sample_batches, value_and_grad_in_chunks
from mttjax.distilling.method import Method, pure_method
from mttjax.distilling.real_batches import MixedBatches
from mttjax.distilling.step import Slope, field_optimiser
from mttjax.system import seeds

__all__ = ["ld", "probabilities"]


class Carry(NamedTuple):
    """The network of LD and how it fares."""

    params: dict
    optimiser: tuple
    wrong: jax.Array
    """[patience] int32, real images taken for another class in each of the last steps."""
    steps: jax.Array
    """[] int32, how many it has taken."""
    least: jax.Array
    """[] int32, the least sum of ``wrong`` so far."""
    since: jax.Array
    """[] int32, steps since."""


def probabilities(synthetic: Synthetic) -> Synthetic:
    """Labels clamped to [0, 1] and scaled to sum to 1; all equal where nothing is left."""
    clamped = jnp.clip(synthetic.labels, 0, 1)
    total = jnp.sum(clamped, axis=1, keepdims=True)
    even = jnp.full_like(clamped, 1 / clamped.shape[1])
    labels = jnp.where(total > 0, clamped / jnp.where(total > 0, total, 1), even)
    return synthetic._replace(labels=labels)


def ld(
    synthetic: Synthetic,
    batches: MixedBatches,
    *,
    network: Network,
    preprocessing: Standardize | ZCA,
    settings: LD,
    seed: int,
    chunk: int | None = None,
) -> Method:
    """Bohdal, Yang & Hospedales, "Flexible Dataset Distillation: Learn Labels Instead of
    Images", 2020.

    A step takes θ' = θ - α ∇ CE(θ; base batch, labels) and descends the cross entropy of a
    real batch at θ' by the labels; then θ takes a step of Adam on the base batch, with the
    labels as they were before. A network is replaced when the error of θ' on real images, as
    the mean of the last ``patience`` steps, has not fallen for as many steps and one more.
    Nothing is augmented, as published. Different from the published code (its second-order form):

    - Networks are of the settings' architecture, there AlexNet (colour) and LeNet (grey).
    - Steps are counted, and every real batch is a fresh draw; there an epoch is one pass over the
      real images.
    - The last labels are taken; there the best of every fifth epoch on validation images.
    - The set is used as every other, by momentum SGD at rate α with augmentation; there by Adam,
      for as many steps as networks lived.

    Args:
      synthetic: real images [N, H, W, C], labels [N, K] (1/K to begin with), log α [].
      batches: ``MixedBatches``.
      network: a ``Network``.
      preprocessing: uint8 images to normalised ones.
      settings: an ``LD``.
      seed: of the run; decides the first network.
      chunk: real images at once, or None.

    Returns:
      A ``Method`` whose contexts are the real (images, labels).
    """
    n, classes = synthetic.labels.shape
    adam = optax.adam(settings.network_lr)

    def begin(key):
        params, none = network.init(key), jnp.int32(0)
        wrong = jnp.zeros(settings.patience, jnp.int32)
        return Carry(params, adam.init(params), wrong, none, none, none)

    def gradient(synthetic, carry, context, key):
        batch_key, network_key = jax.random.split(key)
        worn_out = carry.since > settings.patience
        carry = lax.cond(worn_out, begin, lambda _: carry, network_key)
        images, labels = context
        base = sample_batches(batch_key, n, 1, min(settings.base_batch, n))
        (loss, aux), grads = jax.value_and_grad(terminal_loss, has_aux=True)(
            synthetic,
            carry.params,
            preprocessing(images),
            jax.nn.one_hot(labels, classes),
            apply=network.apply,
            batches=base,
            real_chunk=divisor_up_to(len(labels), chunk),
        )
        data = (synthetic.images[base[0]], synthetic.labels[base[0]])
        return Slope(loss, aux.losses[-1], grads), (_watched(carry, aux.wrong), data)

    def advance(carry_and_data, synthetic, context, key):
        carry, data = carry_and_data
        (_, grads), _ = value_and_grad_in_chunks(network.apply, carry.params, *data)
        updates, optimiser = adam.update(grads, carry.optimiser)
        params = optax.apply_updates(carry.params, updates)
        return carry._replace(params=params, optimiser=optimiser)

    return pure_method(
        synthetic,
        batches.draw,
        gradient=gradient,
        advance=advance,
        project=probabilities,
        optimiser=field_optimiser(labels=optax.adam(settings.lr_labels)),
        carry=begin(seeds.key("first_network", seed)),
        remedies=f"Lower lr_labels ({settings.lr_labels:g}) or network_lr "
        f"({settings.network_lr:g}) tenfold",
    )


def _watched(carry, wrong):
    """How the network fares, with one step more; nothing is compared until ``wrong`` is full."""
    patience = len(carry.wrong)
    last = carry.wrong.at[carry.steps % patience].set(wrong)
    steps, total = carry.steps + 1, jnp.sum(last)
    better = (steps == patience) | (total < carry.least)
    return carry._replace(
        wrong=last,
        steps=steps,
        least=jnp.where(better & (steps >= patience), total, carry.least),
        since=jnp.where(better | (steps < patience), 0, carry.since + 1),
    )
