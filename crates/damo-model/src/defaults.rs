//! Options and parameters: structs of which each field has a value that it has unless told otherwise.

/// Defines a struct and its [`Default`]: of each field what stands behind its `=`, else the default of the field's type.
///
/// ```
/// damo_model::with_defaults! {
///     /// How often to try.
///     #[derive(Debug, PartialEq)]
///     pub struct Tries {
///         /// At most so often.
///         pub most: u32 = 3,
///         /// Without a word.
///         pub quiet: bool,
///     }
/// }
/// assert_eq!(Tries::default(), Tries { most: 3, quiet: false });
/// ```
#[macro_export]
macro_rules! with_defaults {
    ($(#[$meta:meta])* $vis:vis struct $type:ident {
        $($(#[$doc:meta])* $field_vis:vis $field:ident: $field_type:ty $(= $value:expr)?,)+
    }) => {
        $(#[$meta])*
        $vis struct $type {
            $($(#[$doc])* $field_vis $field: $field_type,)+
        }

        impl Default for $type {
            fn default() -> Self {
                Self { $($field: $crate::with_defaults!(@value $($value)?),)+ }
            }
        }
    };
    (@value $value:expr) => { $value };
    (@value) => { Default::default() };
}
