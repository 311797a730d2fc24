//! How sensitive a thing each role may see.
use super::role::{Role, RoleSet};
use crate::domain::sight::Sensitivity;

/// The most sensitive that each role sees. Several roles are their union.
#[derive(Clone, Debug)]
pub struct Clearances(Box<[(Role, Sensitivity)]>);

impl Clearances {
    /// Roles that are not named see what is public.
    #[must_use]
    pub fn new(roles: &[(Role, Sensitivity)]) -> Self {
        Self(roles.into())
    }

    /// The most sensitive that some roles see together.
    #[must_use]
    pub fn of(&self, roles: RoleSet) -> Sensitivity {
        self.0.iter().filter(|(role, _)| roles.contains(*role)).map(|(_, level)| *level).max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_roles_see_what_one_of_them_sees_and_others_what_is_public() {
        let clearances = Clearances::new(&[(Role::Reader, Sensitivity::Internal), (Role::Auditor, Sensitivity::Restricted)]);
        let of = |roles: &[Role]| clearances.of(RoleSet::of(roles));
        assert_eq!(of(&[Role::Reader]), Sensitivity::Internal);
        assert_eq!(of(&[Role::Reader, Role::Auditor]), Sensitivity::Restricted);
        assert_eq!(of(&[Role::Producer]), Sensitivity::Public);
    }
}
