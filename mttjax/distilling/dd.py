"""DD as a method of the loop: a network trained on the images is good on real ones."""

import jax
import optax

from mttjax.config.methods import DD
from mttjax.core.augmentation import crop_and_flip
from mttjax.core.networks import Network
from mttjax.core.objectives.meta import class_by_class, terminal_loss
from mttjax.core.preprocessing import ZCA, Standardize
from mttjax.core.synthetic import Synthetic
from mttjax.core.training import divisor_up_to
from mttjax.distilling.method import Method, pure_method
from mttjax.distilling.real_batches import MixedBatches
from mttjax.distilling.step import Slope, field_optimiser

__all__ = ["dd"]


def dd(
    synthetic: Synthetic,
    batches: MixedBatches,
    *,
    network: Network,
    preprocessing: Standardize | ZCA,
    settings: DD,
    chunk: int | None = None,
) -> Method:
    """Wang, Zhu, Torralba & Efros, "Dataset Distillation", 2018, with random networks.

    Every step begins with a fresh network, takes S plain gradient steps on the images and
    descends the cross entropy of a real batch. As there, real images with colours are augmented, by
    ``crop_and_flip``, and synthetic ones never are. Different from the published code:

    - The rates are positive by their logarithms, there by a softplus; for rates far below 1 their
      steps are alike.
    - Fresh networks have PyTorch's distribution, there Xavier's with biases of 0; and they are of
      the settings' architecture, there AlexCifarNet (CIFAR-10) and LeNet (MNIST).
    - Steps are counted, and every real batch is a fresh draw; there an epoch is one pass over the
      real images.
    - One network a step, and one image of a class in a minibatch; there both can be more.
    - The set is used as every other, by momentum SGD at the mean of its rates; there by its own S
      steps in order, each at its rate, which is a score of its own here.

    Args:
      synthetic: the ``Synthetic`` to begin with, class by class; its log_lr is [S].
      batches: ``MixedBatches``.
      network: a ``Network``.
      preprocessing: uint8 images to normalised ones.
      settings: a ``DD``.
      chunk: real images at once, or None.

    Returns:
      A ``Method`` whose contexts are the real (images, labels).
    """
    n, classes = synthetic.labels.shape
    order = class_by_class(n // classes, classes, settings.passes)

    def gradient(synthetic, carry, context, key):
        images, labels = context
        real = preprocessing(images)
        if settings.augmented and images.shape[-1] > 1:
            key, augment_key = jax.random.split(key)
            real = crop_and_flip(augment_key, real)
        (loss, aux), grads = jax.value_and_grad(terminal_loss, has_aux=True)(
            synthetic,
            network.init(key),
            real,
            jax.nn.one_hot(labels, classes),
            apply=network.apply,
            batches=order,
            real_chunk=divisor_up_to(len(labels), chunk),
        )
        return Slope(loss, aux.losses[-1], grads), carry

    rate = settings.lr_img
    if settings.halve_every:
        rate = optax.exponential_decay(rate, settings.halve_every, 0.5, staircase=True)
    adam = optax.adam(rate, b1=settings.beta1)
    return pure_method(
        synthetic,
        batches.draw,
        gradient=gradient,
        optimiser=field_optimiser(images=adam, log_lr=adam),
        remedies=f"Lower lr_img ({settings.lr_img:g}) or lr ({settings.lr:g}) tenfold",
    )
