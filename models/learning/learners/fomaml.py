"""First-order MAML, optimization-based."""

from models.learning.learners.maml import Maml


class FirstOrderMaml(Maml):
    """MAML whose meta-gradient is that of the queries at the adapted weights; how these came about is left out.

    Finn, Abbeel, Levine 2017, https://arxiv.org/abs/1703.03400, section 5.2; named and analysed in Nichol, Achiam,
    Schulman: On first-order meta-learning algorithms, 2018, https://arxiv.org/abs/1803.02999.
    Transductive like MAML.
    """

    first_order = True
